"""The JSON rules of TF Serving: what is read, what is refused, what is written."""

import json

import numpy as np
import pytest

from tfflows.export.c_api import Signature, TensorInfo
from tfflows.export.serving import rest_json
from tfflows.export.serving.json_arrays import BadRequestError
from tfflows.export.serving.rest_json import read_request, write_reply


def info(dtype, *shape):
    return TensorInfo("t:0", dtype, shape)


SIGNATURES = {
    "serving_default": Signature({"x": info("float32", -1, 2)}, {}),
    "image": Signature({"x": info("uint8", -1, 2)}, {}),
    "sample": Signature(
        {"seed": info("int32", -1, 2), "temperature": info("float32", -1)}, {}
    ),
    "sample_n": Signature({"num_samples": info("int32"), "flag": info("bool")}, {}),
    "text": Signature({"text": info("string", -1)}, {}),
    "nothing": Signature({}, {}),
}


def read(**document):
    return read_request(json.dumps(document).encode(), SIGNATURES)


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [[1, 2.5], [3, 4]]},
        {"instances": [{"x": [1, 2.5]}, {"x": [3, 4]}]},
        {"inputs": [[1, 2.5], [3, 4]]},
        {"inputs": {"x": [[1, 2.5], [3, 4]]}, "signature_name": ""},
    ],
)
def test_four_forms_of_a_single_input(document):
    request = read(**document)
    assert request.signature == "serving_default"
    assert request.rows == ("instances" in document)
    assert request.inputs["x"].dtype == np.float32
    np.testing.assert_array_equal(request.inputs["x"], [[1, 2.5], [3, 4]])


def test_rows_of_several_inputs():
    rows = [{"seed": [1, 2], "temperature": 1}, {"temperature": 0.5, "seed": [-3, 4]}]
    inputs = read(signature_name="sample", instances=rows).inputs
    np.testing.assert_array_equal(inputs["seed"], [[1, 2], [-3, 4]])
    np.testing.assert_array_equal(inputs["temperature"], [1, 0.5])
    assert inputs["seed"].dtype == np.int32


def test_scalars_texts_and_empty_lists():
    columns = {"num_samples": 3, "flag": True}
    inputs = read(signature_name="sample_n", inputs=columns).inputs
    assert inputs["num_samples"].shape == inputs["flag"].shape == ()
    texts = read(signature_name="text", instances=["a", {"b64": "YmM="}]).inputs
    assert texts["text"].tolist() == [b"a", b"bc"]
    assert read(inputs=[]).inputs["x"].shape == (0,)  # what it means is the graph's


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error"),
        (b"{", "JSON Parse error"),
        (b"\xff", "JSON Parse error"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", "JSON Parse error"),
        (b"[1]", "Is not object"),
        (b'{"instances": [[NaN, 1]]}', "finite numbers, got NaN"),
        (b'{"instances": [[-Infinity, 1]]}', "finite numbers, got -Infinity"),
        (b'{"instances": [[1e999, 1]]}', "without loss of precision: too large"),
        (b'{"instances": [[1e39, 1]]}', "without loss of precision: too large"),
        (b'{"instances": [[16777217, 1]]}', "without loss of precision"),
        (b"{}", "Expecting one of 'inputs' or 'instances'"),
        (b'{"inputs": 1, "instances": 1}', "Expecting one of 'inputs' or"),
        (b'{"instances": {}}', "to be a list"),
        (b'{"instances": []}', "No values in 'instances'"),
        (b'{"instances": [[1, 2], [3]]}', "input x: .*unexpected size or level: 1"),
        (b'{"instances": [[1, 2], 3]}', "unexpected size or level: 1"),
        (b'{"instances": [[1, [2]]]}', "unexpected size or level: 2"),
        (b'{"instances": [[1, "2"]]}', "type str is not of expected type: float32"),
        (b'{"instances": [[1, null]]}', "type NoneType is not of expected type"),
        (b'{"instances": [[1, true]]}', "type bool is not of expected type"),
        (b'{"instances": [[{"b64": ""}, 1]]}', "type dict is not of expected type"),
        (b'{"instances": [{"x": 1}, [2]]}', "object but got list at item 1"),
        (b'{"instances": [{"y": 1}]}', "keys must be equal to: x"),
        (b'{"instances": [[1, {"y": 2}]]}', "type dict is not of expected"),
        (b'{"inputs": {"y": 1}}', "Missing named input: x"),
        (b'{"inputs": {"x": [[1, 2]], "y": 1}}', r"no inputs but \['x'\], got \['y'\]"),
        (b'{"signature_name": 1, "inputs": 1}', "must be a string value"),
        (b'{"signature_name": "no", "inputs": 1}', '"no" not found in signature def'),
        (b'{"signature_name": "nothing", "inputs": 1}', "Failed to get input map"),
    ],
)
def test_what_is_refused(body, message):
    with pytest.raises(BadRequestError, match=message):
        read_request(body, SIGNATURES)


@pytest.mark.parametrize(
    ("signature", "values", "message"),
    [
        ("image", [[1, 256]], "256 is not of expected type: uint8"),
        ("image", [[-1, 2]], "-1 is not of expected type: uint8"),
        ("image", [[1, 2.0]], "float is not of expected type: uint8"),
        ("sample", [[1, 2]], "expecting list of objects as multiple"),
        ("text", [1], "expected a string, or base64"),
        ("text", [{"b64": "?"}], "expected a string, or base64"),
        ("text", [{"b64": 1}], "expected a string, or base64"),
        ("text", ["\ud800"], "expected a string, or base64"),
    ],
)
def test_what_rows_refuse(signature, values, message):
    with pytest.raises(BadRequestError, match=message):
        read(signature_name=signature, instances=values)


def test_what_columns_refuse():
    for inputs, message in (
        ([1], "expecting an object as multiple"),
        ({"num_samples": 2**31, "flag": True}, "2147483648 is not of expected type"),
        ({"num_samples": 1, "flag": 1}, "int is not of expected type: bool"),
    ):
        with pytest.raises(BadRequestError, match=message):
            read(signature_name="sample_n", inputs=inputs)


X = np.float32([[1, 2.5], [3, 4]])
Y = np.float32([0.5, -np.inf])


@pytest.mark.parametrize(
    ("outputs", "rows", "reply"),
    [
        ({"x": X}, True, {"predictions": X.tolist()}),
        ({"x": X}, False, {"outputs": X.tolist()}),
        (
            {"x": X, "y": Y},
            True,
            {"predictions": [{"x": [1, 2.5], "y": 0.5}, {"x": [3, 4], "y": -np.inf}]},
        ),
        ({"x": X, "y": Y}, False, {"outputs": {"x": X.tolist(), "y": Y.tolist()}}),
        ({"n": np.int32(3)}, False, {"outputs": 3}),
        ({"text": np.array([b"a", b"b"])}, True, {"predictions": ["a", "b"]}),
        ({"x_bytes": np.array([b"\xff"])}, True, {"predictions": [{"b64": "/w=="}]}),
    ],
)
def test_replies(outputs, rows, reply):
    assert json.loads(write_reply(outputs, rows)) == reply


def test_what_is_not_finite_is_a_bare_token():
    values = np.float32([np.nan, np.inf, -np.inf])
    text = write_reply({"y": values}, rows=True)
    assert text == b'{"predictions": [NaN, Infinity, -Infinity]}'


def test_outputs_without_a_common_batch_have_no_rows():
    for outputs in ({"x": X, "y": np.float32([1])}, {"n": np.int32(3)}):
        with pytest.raises(BadRequestError, match="no common batch size"):
            write_reply(outputs, rows=True)


def test_float64_keeps_its_digits():
    signature = {"serving_default": Signature({"x": info("float64", -1)}, {})}
    body = b'{"instances": [0.1, 16777217]}'
    request = rest_json.read_request(body, signature)
    assert request.inputs["x"].tolist() == [0.1, 16777217.0]
