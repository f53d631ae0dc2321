"""Clients on a bad day: servers that are busy, late, gone, or answer too much."""

import contextlib
import http.server
import json
import socket
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tests.export.servers import grpc_server, rest_server, served
from tfflows.export.client import GrpcClient, RestClient, ServingError

STATUS = {"model_version_status": [{"version": "3", "state": "AVAILABLE"}]}
PAUSE = 0.01  # seconds


@contextlib.contextmanager
def http_server(answers):
    """Yields the url of a server that gives these (code, text, delay), then STATUS."""
    answers = iter(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            code, text, delay = next(answers, (200, json.dumps(STATUS), 0))
            time.sleep(delay)
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments):
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


BUSY = (503, "", 0)


def failure(client, call="status", match=None):
    """Code of the error that a call without arguments ends in; closes the client."""
    with client, pytest.raises(ServingError, match=match) as raised:
        getattr(client, call)()
    return raised.value.code


def test_rest_tries_again_while_the_server_is_busy():
    with http_server([BUSY, (429, "", 0), BUSY]) as url:
        client = RestClient(url, "mine", backoff=PAUSE)
        assert client.status() == {3: "AVAILABLE"}
        client.close()
    with http_server([BUSY] * 3) as url:
        client = RestClient(url, "mine", retries=2, backoff=PAUSE)
        assert failure(client) == "UNAVAILABLE"


def test_rest_does_not_repeat_what_was_refused():
    bad = (400, '{"error": "no"}', 0)
    with http_server([bad]) as url, RestClient(url, "mine") as client:
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: no"):
            client.status()
        assert client.status() == {3: "AVAILABLE"}


def test_rest_pauses_longer_each_time():
    with (
        http_server([BUSY] * 4) as url,
        RestClient(url, "mine", backoff=0.02) as client,
    ):
        start = time.monotonic()
        client.status()
    assert time.monotonic() - start >= 0.02 * (2 + 4 + 8)


@pytest.mark.parametrize("retries", [0, 1])
def test_rest_does_not_wait_for_ever(retries):
    options = {"timeout": 0.1, "retries": retries, "backoff": PAUSE}
    with http_server([(200, "{}", 0.4)] * 2) as url:
        client = RestClient(url, "mine", **options)
        assert failure(client) == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("status", [200, 500])
def test_rest_answer_that_is_no_json(status):
    with http_server([(status, "<html>", 0)]) as url:
        assert failure(RestClient(url, "mine"), match="<html>") == "INTERNAL"


class Busy:
    """Aborts the first calls."""

    def __init__(self, times, code=grpc.StatusCode.UNAVAILABLE):
        self.times, self.code, self.calls = times, code, 0

    def __call__(self, context):
        self.calls += 1
        if self.calls <= self.times:
            context.abort(self.code, "busy")


def scale_server(worker, scale_export, before):
    return grpc_server(served(worker, scale_export), before=before)


@pytest.mark.parametrize(("times", "retries"), [(4, 4), (2, 1), (1, 0)])
def test_grpc_tries_again_while_the_server_is_busy(
    worker, scale_export, times, retries
):
    busy = Busy(times)
    with scale_server(worker, scale_export, busy) as target:
        client = GrpcClient(target, "mine", retries=retries, backoff=PAUSE)
        if times > retries:
            assert failure(client, "metadata", "busy") == "UNAVAILABLE"
        else:
            with client:
                assert "log_prob" in client.metadata()
    assert busy.calls == retries + 1


def test_grpc_does_not_repeat_what_was_refused(worker, scale_export):
    busy = Busy(1, grpc.StatusCode.INVALID_ARGUMENT)
    with scale_server(worker, scale_export, busy) as target:
        code = failure(GrpcClient(target, "mine"), "metadata", "busy")
    assert (code, busy.calls) == ("INVALID_ARGUMENT", 1)


def test_grpc_does_not_wait_for_ever(worker, scale_export):
    def late(context):
        time.sleep(0.4)

    with scale_server(worker, scale_export, late) as target:
        client = GrpcClient(target, "mine", timeout=0.1)
        assert failure(client, "metadata") == "DEADLINE_EXCEEDED"


def test_grpc_message_size_is_an_option(worker, scale_export):
    z = np.zeros((1000, 2), np.float32)
    server = scale_server(worker, scale_export, lambda context: None)
    with server as target:
        sizes = {"chunk_size": 1000, "max_message_bytes": 4000}
        with GrpcClient(target, "mine", **sizes) as client:
            with pytest.raises(ServingError) as raised:
                client.decode(z)
            assert raised.value.code == "RESOURCE_EXHAUSTED"
        with GrpcClient(target, "mine", chunk_size=1000) as client:
            assert client.decode(z).shape == (1000, 2)


def test_no_server():
    options = {"retries": 1, "backoff": PAUSE}
    rest = RestClient(f"http://127.0.0.1:{free_port()}", "mine", **options)
    assert failure(rest) == "UNAVAILABLE"
    over_grpc = GrpcClient(f"127.0.0.1:{free_port()}", "mine", **options)
    assert failure(over_grpc) == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RestClient("http://x", "m", form="rows"), "'row' or 'columnar'"),
        (lambda: RestClient("http://x", "m", chunk_size=0), "chunk_size of 1 or more"),
        (lambda: RestClient("127.0.0.1:8501", "m"), "url http://HOST:PORT .* got '127"),
        (lambda: GrpcClient("x", "m", retries=5), "0 to 4 retries, got 5"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("requests", lambda: RestClient("http://x", "m")),
        ("tensorflow_serving.apis", lambda: GrpcClient("x", "m")),
    ],
)
def test_a_package_that_is_missing(monkeypatch, package, make):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'tfflows\[serving\]'"):
        make()


class Texts(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def repeat(self, text):
        return {"twice": text + text, "raw_bytes": text}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def double(self, x):
        return {"y": x + x}


def test_strings_go_and_come_as_bytes_and_any_rank_as_it_is(tmp_path, worker):
    module, path = Texts(), tmp_path / "1"
    functions = {"repeat": module.repeat, "double": module.double}
    tf.saved_model.save(module, path, signatures=functions)
    model = served(worker, tmp_path)
    with rest_server(model) as url, grpc_server(model) as target:
        for client in (
            RestClient(url, "mine"),
            RestClient(url, "mine", form="columnar"),
            GrpcClient(target, "mine"),
        ):
            with client:
                outputs = client.predict("repeat", text=["a", b"bc"])
                for x in (1.5, [1.5], [[1.5], [2.5]]):
                    found = client.predict("double", x=x)["y"]
                    np.testing.assert_array_equal(found, 2 * np.array(x))
                assert client.metadata() == worker.signatures(path)
            assert outputs["twice"].tolist() == [b"aa", b"bcbc"], client
            assert outputs["raw_bytes"].tolist() == [b"a", b"bc"], client
