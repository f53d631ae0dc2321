"""Bodies of every kind: an answer, or a refusal of TF Serving's form; nothing else.

The app is asked in this process, without sockets; the model is a toy.
"""

import asyncio
import gzip
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.toy_model import SIGNATURES, served_toy
from tfflows.export.serving.app import make_app
from tfflows.export.serving.limits import Limits

GOOD = b'{"instances": [[1, 2]]}'


class App:
    """What the app answers."""

    def __init__(self, folder, limits=None, hosts=None):
        models = {"toy": served_toy(folder)}
        self._app = make_app(models, limits or Limits(), hosts)

    def __call__(self, body=b"", path="/v1/models/toy:predict", method="POST", **head):
        """Status and document of one request; keywords are headers."""
        head = {"host": "localhost", **head}
        headers = [
            (name.replace("_", "-").encode(), value.encode("latin-1"))
            for name, value in head.items()
            if value is not None
        ]
        parts = [body] if isinstance(body, bytes) else list(body)
        messages = [
            {"type": "http.request", "body": part, "more_body": rest > 0}
            for rest, part in zip(reversed(range(len(parts))), parts, strict=True)
        ]
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        scope |= {"query_string": b"", "root_path": "", "http_version": "1.1"}
        scope |= {"scheme": "http", "server": ("127.0.0.1", 1), "client": ("::1", 2)}
        scope |= {"raw_path": quote(path).encode(), "asgi": {"version": "3.0"}}
        sent = []

        async def receive():
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        asyncio.run(self._app(scope, receive, send))
        content = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], json.loads(content)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return App(tmp_path_factory.mktemp("toy"))


def refused(answer, *statuses):
    status, document = answer
    assert status in (statuses or range(400, 500)), document
    assert list(document) == ["error"]
    assert isinstance(document["error"], str)
    return document["error"]


def test_a_good_body_is_answered(app):
    assert app(GOOD) == (200, {"predictions": [[2, 3]]})
    assert app(GOOD, content_type="application/json; charset=utf-8")[0] == 200
    assert app(GOOD, content_type="application/x-www-form-urlencoded")[0] == 200
    assert app([GOOD[:9], b"", GOOD[9:]])[0] == 200  # chunks


@pytest.mark.parametrize("depth", [3, 31, 32, 33, 63, 64, 65, 66, 300, 900, 990, 5000])
@pytest.mark.parametrize("form", ["instances", "inputs"])
@pytest.mark.parametrize("leaf", ["", "1", '{"x": 1}'])
def test_deep_lists(app, depth, form, leaf):
    for value in (
        "[" * depth + leaf + "]" * depth,
        '{"a":' * depth + "1" + "}" * depth,
    ):
        refused(app(f'{{"{form}": {value}}}'.encode()), 400)


def instance(text):
    return f'{{"instances": [[1, {text}]]}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        *map(instance, ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e39")),
        *map(instance, ("9" * 400, "9" * 5000, "1" + "0" * 30, "16777217", "1.", ".5")),
        *map(instance, ('"2"', "true", "null", "[2]", "{}", '{"b64": "MQ=="}', "2]")),
        *map(instance, ("0x10", "01", "+1", "1_000", "--1", "1e", "2,", "")),
        b"",
        b" ",
        b"null",
        b"[[1, 2]]",
        b'"text"',
        b"\xff\xfe" + GOOD,
        b"\xef\xbb\xbf" + GOOD,
        *(GOOD.decode().encode(code) for code in ("utf-16", "utf-16-le", "utf-32")),
        gzip.compress(GOOD, mtime=0),
        GOOD[:-1],
        GOOD + GOOD,
        GOOD + b"\0",
        b'{"instances": [[1, 2]], "instances": [[1, 2]]}',
        b'{"instances": [{"x": [1, 2], "x": [3, 4]}]}',
        b'{"instances": [[1, 2]], "inputs": [[1, 2]]}',
        b'{"inputs": {"x": [[1, 2]], "\\ud800": 1}}',
        b'{"signature_name": "\\ud800", "instances": [[1, 2]]}',
        b'{"signature_name": "\xed\xa0\x80", "instances": [[1, 2]]}',
        b'{"signature_name": null, "instances": [[1, 2]]}',
        b'{"signature_name": ["add"], "instances": [[1, 2]]}',
        b'{"signature_name": "no", "instances": [[1, 2]]}',
        b'{"signature_name": "text", "instances": ["\\udcff"]}',
        b'{"signature_name": "text", "instances": [{"b64": "\xc3\xa9"}]}',
        b'{"signature_name": "text", "instances": [{"b64": ["MQ=="]}]}',
        b'{"signature_name": "text", "instances": [{"b64": "MQ=", "x": 1}]}',
        b'{"signature_name": "flags", "instances": [1]}',
        b'{"signature_name": "two", "instances": [[1, 2]]}',
        b'{"signature_name": "two", "instances": [{"x": 1}]}',
        b'{"signature_name": "two", "instances": [{"x": 1, "n": 1.0}]}',
        b'{"signature_name": "two", "instances": [{"x": 1, "n": true}]}',
        b'{"signature_name": "two", "instances": [{"x": 1, "n": 2147483648}]}',
        b'{"signature_name": "two", "instances": [{"x": 1, "n": 1, "m": 1}]}',
        b'{"signature_name": "two", "inputs": [1]}',
        b'{"instances": []}',
        b'{"instances": {}}',
        b'{"instances": null}',
        b'{"instances": [[1, 2], [3]]}',
        b'{"instances": [[1, 2], 3]}',
        b'{"instances": [[1, 2], {"x": [1, 2]}]}',
        b'{"inputs": 1}',
        b'{"inputs": []}',
        b'{"inputs": {}}',
        b'{"inputs": {"x": [[1, 2]], "y": 1}}',
    ],
)
def test_a_body_that_is_wrong(app, body):
    refused(app(body), 400)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("a1\0\u00e9\ud800\U0001f600"),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["x", "n", "b64", "y", ""]), inner)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["", "add", "two", "text", "flags", "no"])
FORMS = st.sampled_from(["instances", "inputs", "neither"])
FEW = settings(deadline=None, derandomize=True, max_examples=40, database=None)


@FEW
@given(value=JSON, name=NAMES | JSON, form=FORMS)
def test_any_json_is_answered_or_refused(app, value, name, form):
    document = {form: value, "signature_name": name}
    answer = app(json.dumps(document).encode())
    if answer[0] != 200:
        refused(answer)


@FEW
@given(body=st.binary())
def test_any_bytes_are_refused(app, body):
    refused(app(body), 400)


@FEW
@given(where=st.integers(0, len(GOOD)), what=st.binary(max_size=3))
def test_a_byte_that_is_wrong(app, where, what):
    answer = app(GOOD[:where] + what + GOOD[where + 1 :])
    if answer[0] != 200:
        refused(answer, 400)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/models/no:predict", "POST", 404),
        ("/v1/models/toy/versions/2:predict", "POST", 404),
        ("/v1/models/toy/versions/-1:predict", "POST", 400),
        ("/v1/models/toy/versions/²:predict", "POST", 400),
        ("/v1/models/toy/versions/" + "9" * 5000 + ":predict", "POST", 404),
        ("/v1/models/toy:predict", "GET", 404),
        ("/v1/models/toy:predict", "PUT", 400),
        ("/v1/models/toy:predict", "DELETE", 400),
        ("/v1/models/toy:regress", "POST", 400),
        ("/v1/models/toy/metadata", "POST", 400),
        ("/v1/models/toy/labels/stable:predict", "POST", 400),
        ("/v1/models/\ufffd:predict", "POST", 404),
        ("/v2/models/toy/infer", "POST", 400),
        ("/", "POST", 400),
        ("", "PATCH", 400),
    ],
)
def test_a_wrong_path_or_method(app, path, method, status):
    refused(app(GOOD, path, method), status)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8501"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "[::1"}, 403),
        ({"host": ""}, 403),
        ({"host": None}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:8080"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"content_type": "text/plain;charset=UTF-8"}, 415),
        ({"content_type": "multipart/form-data; boundary=x"}, 415),
        ({"content_type": "application/octet-stream"}, 415),
        (
            {
                "content_type": "application/x-www-form-urlencoded",
                "origin": "http://localhost",
            },
            415,
        ),
        ({"content_encoding": "gzip"}, 415),
        ({"content_encoding": "br"}, 415),
    ],
)
def test_what_a_page_of_another_site_could_send(app, headers, status):
    refused(app(GOOD, **headers), status)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8501", "origin": "http://localhost:8501"},
        {"host": "127.0.0.1:8501", "origin": "http://127.0.0.1:8501"},
        {"host": "[::1]:8501", "origin": "http://[::1]:8501"},
        {"host": "192.168.0.7:8501"},
        {"host": "LOCALHOST"},
    ],
)
def test_what_our_own_page_and_clients_send(app, headers):
    assert app(GOOD, content_type="application/json", **headers)[0] == 200


def test_hosts_that_are_allowed(tmp_path):
    app = App(tmp_path, hosts=["Flows.example", "pages.example:8080"])
    kind = {"content_type": "application/json"}
    for host in ("flows.example", "flows.example:80", "localhost"):
        for origin in ("https://flows.example", "http://pages.example:8080"):
            assert app(GOOD, host=host, origin=origin, **kind)[0] == 200
    refused(app(GOOD, host="evil.example"), 403)
    refused(app(GOOD, origin="http://pages.example"), 403)
    every = App(tmp_path, hosts=["*"])
    assert every(GOOD, host="any.example", origin="http://a.example", **kind)[0] == 200


def test_a_limit_is_looked_at_before_the_body_is_parsed(tmp_path):
    error = refused(App(tmp_path)(content_length=str(2**24 + 1)), 413)
    assert "--max_request_mib" in error
    small = App(tmp_path, Limits(request_bytes=100, batch=2))
    refused(small([b" " * 60] * 2), 413)
    refused(small(GOOD, content_length="101"), 413)  # the body is not waited for
    assert small(GOOD, content_length="100")[0] == 200
    assert "--max_batch" in refused(small(b'{"instances": [[1,2],[1,2],[1,2]]}'), 413)


def test_the_limit_follows_from_the_signatures():
    add = {"add": SIGNATURES["add"]}
    assert Limits(batch=10).most_bytes(add) < Limits(batch=10_000).most_bytes(add)
    rows = {"instances": [{"x": [-1.2345678901234567e-300] * 2}] * 10_000}
    text = json.dumps(rows, indent=4)
    assert len(text) < Limits(batch=10_000).most_bytes(add) < 16 * 2**20
    for signatures in (add, SIGNATURES):  # of which one takes texts of any length
        assert Limits(batch=10**9).most_bytes(signatures) == 16 * 2**20
        assert Limits(7).most_bytes(signatures) == 7
