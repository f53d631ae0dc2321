"""The REST paths over HTTP: what they answer, and that bad requests are 4xx."""

import json
import re
import shutil

import numpy as np
import pytest
import requests

from tests.export.servers import rest_server, served
from tfflows.export import export_saved_model
from tfflows.export.serving.app import Limits

LIMITS = Limits(request_bytes=5000, batch=20)


@pytest.fixture(scope="module")
def url(worker, scale_export):
    model = served(worker, scale_export)
    with rest_server(model, limits=LIMITS) as url:
        yield f"{url}/v1/models"


def post(url, body, path="/mine:predict"):
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    response = requests.post(url + path, data=data, timeout=10)
    return response.status_code, response.json()


def test_predict(url, scale_flow):
    x = [[0.5, 1], [-1, 2]]
    live = np.asarray(scale_flow.log_prob(x))
    for path in ("/mine:predict", "/mine/versions/1:predict"):
        code, answer = post(url, {"instances": x}, path)
        assert code == 200
        np.testing.assert_allclose(answer["predictions"], live, rtol=1e-5)
    code, answer = post(url, {"inputs": {"x": x}, "signature_name": "encode"})
    assert (code, list(answer), sorted(answer["outputs"])) == (
        *(200, ["outputs"]),
        ["log_det_jacobian", "z"],
    )


def test_status_and_metadata(url):
    row = {"version": "1", "state": "AVAILABLE"}
    row["status"] = {"error_code": "OK", "error_message": ""}
    for path in ("/mine", "/mine/versions/1"):
        answer = requests.get(url + path, timeout=10).json()
        assert answer == {"model_version_status": [row]}
        answer = requests.get(f"{url}{path}/metadata", timeout=10).json()
        spec = {"name": "mine", "signature_name": "", "version": "1"}
        assert answer["model_spec"] == spec
        seed = answer["metadata"]["signature_def"]["signature_def"]["sample"]["inputs"]
        assert seed["seed"]["dtype"] == "DT_INT32"
        dims = seed["seed"]["tensor_shape"]["dim"]
        assert [dim["size"] for dim in dims] == ["-1", "2"]


def rows(signature, *instances):
    return {"signature_name": signature, "instances": list(instances)}


def draw(number, temperature=1.0):
    inputs = {"num_samples": number, "seed": [1, 2], "temperature": temperature}
    return {"signature_name": "sample_n", "inputs": inputs}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", 400, "JSON Parse error"),
        (b"{'instances': 1}", 400, "JSON Parse error"),
        (b"[" * 4000, 400, "nested too deeply"),
        ('{"instances": [[NaN, 1]]}', 400, "finite"),
        (rows("log_prob", [1, 2, 3]), 400, "not compatible with expected shape"),
        (rows("log_prob", 1), 400, "not compatible with expected shape"),
        (rows("log_prob", [1, "a"]), 400, "not of expected type"),
        (rows("sample", {"seed": [1, 2]}), 400, "keys must be equal to"),
        (rows("sample", {"seed": [1], "temperature": 1}), 400, "not compatible"),
        (rows("sample", {"seed": [1, 2], "temperature": -1}), 400, "expected|>= 0"),
        (rows("sample_n", {}), 400, "keys must be equal to.*num_samples.*ask columns"),
        (rows("unknown", 1), 400, '"unknown" not found in signature def'),
        (rows("\ud800", 1), 400, "not found in signature def"),
        ({"inputs": {"x": []}}, 400, "not compatible with expected"),
        (draw(2.0), 400, "not of expected type: int32"),
        (draw(-1), 400, "expected|>= 0"),
        (draw([2]), 400, "not compatible with expected"),
        (draw(21), 413, "at most 20 rows .--max_batch., got 21 in num_samples"),
        (
            rows("log_prob", *[[1, 2]] * 21),
            413,
            "at most 20 rows .--max_batch., got 21 in x",
        ),
        (b" " * 5001, 413, "at most 5000 bytes"),
    ],
)
def test_a_bad_request_is_refused(url, body, code, message):
    found, answer = post(url, body)
    assert (found, list(answer)) == (code, ["error"])
    assert re.search(message, answer["error"]), answer
    assert post(url, draw(20))[0] == 200  # and the server goes on


def test_a_refusal_of_rows_has_columns_to_copy(url):
    inputs = {"num_samples": 2, "seed": [1, 2], "temperature": 1.0}
    code, answer = post(url, rows("sample_n", inputs))
    assert code == 400
    advice = "num_samples, temperature of sample_n have none: ask columns, as in "
    _, request = answer["error"].split(advice)
    code, answer = post(url, request)
    assert code == 200
    assert set(answer["outputs"]) == {"x", "log_prob"}


def test_a_body_without_a_length_is_cut_off_as_well(url):
    parts = (b" " * 1000 for _ in range(6))
    response = requests.post(f"{url}/mine:predict", data=parts, timeout=10)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/other:predict", 404, r"Servable not found for request: Latest(other)"),
        ("/mine/versions/2:predict", 404, "request: Specific(mine, 2)"),
        ("/mine/versions/99999999999999999999999:predict", 404, "not found"),
        ("/mine/versions/x:predict", 400, "Failed to convert version: x to numeric"),
        ("/mine:classify", 400, "Malformed request: POST /v1/models/mine:classify"),
        ("/mine", 400, "Malformed request: POST /v1/models/mine"),
        ("", 400, "Malformed request: POST /v1/models"),
    ],
)
def test_wrong_paths(url, path, code, message):
    found, answer = post(url, {"instances": [[1, 2]]}, path)
    assert found == code
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/other", 404),
        ("/other/metadata", 404),
        ("/mine/versions/2", 404),
        ("/mine/versions/2/metadata", 404),
        ("/mine/versions/x", 400),
        ("/mine:predict", 404),
        ("/mine/labels/stable", 400),
    ],
)
def test_wrong_questions(url, path, code):
    response = requests.get(url + path, timeout=10)
    assert response.status_code == code
    assert list(response.json()) == ["error"]


def test_versions_come_while_it_serves(worker, scale_flow, tmp_path):
    export_saved_model(scale_flow, tmp_path)
    model = served(worker, tmp_path)
    with rest_server(model) as url:
        url += "/v1/models"
        broken = tmp_path / "2"
        (broken / "variables").mkdir(parents=True)
        whole = (tmp_path / "1" / "saved_model.pb").read_bytes()
        # As a copy that stopped leaves it; at last all but the variables are there.
        for content in (b"", b"garbage", whole[:1000], whole):
            (broken / "saved_model.pb").write_bytes(content)
            model.poll()
            model.poll()
            assert post(url, {"instances": [[1, 2]]})[0] == 200
        state = requests.get(f"{url}/mine/versions/2", timeout=10).json()
        assert state["model_version_status"][0]["state"] == "END"
        assert state["model_version_status"][0]["status"]["error_message"]

        shutil.copytree(tmp_path / "1", tmp_path / "3")
        model.poll()
        model.poll()
        assert post(url, {"instances": [[1, 2]]}, "/mine/versions/3:predict")[0] == 200
        assert post(url, {"instances": [[1, 2]]}, "/mine/versions/1:predict")[0] == 404
