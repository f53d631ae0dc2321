"""The gRPC server's own rules; tensors and codes of models: test_grpc_bad_input.py."""

import sys
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.export.servers import grpc_server
from tests.export.toy_model import served_toy
from tfflows.export.serving.grpc_server import start_grpc_server
from tfflows.export.serving.limits import Limits

CODES = grpc.StatusCode


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    models = [
        served_toy(tmp_path_factory.mktemp(name), version, name)
        for version, name in ((3, "toy"), (1, "other"))
    ]
    limits = Limits(request_bytes=4000, batch=20)
    server = grpc_server(*models, limits=limits)
    with server as target, grpc.insecure_channel(target) as channel:
        yield PredictionServiceStub(channel)


def ask(signature="two", wanted=(), name="toy", label="", **inputs):
    inputs = inputs or {"x": np.float32([1]), "n": np.int32([2])}
    request = predict_pb2.PredictRequest(output_filter=wanted)
    request.model_spec.name, request.model_spec.signature_name = name, signature
    if label:
        request.model_spec.version_label = label
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def refused(call, request, timeout=5):
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=timeout)
    return raised.value.code(), raised.value.details()


def test_what_an_answer_says(stub):
    answer = stub.Predict(ask(), timeout=5)
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("toy", 3, "two")
    assert set(answer.outputs) == {"y", "n"}
    default = ask("", x=np.float32([[1, 2]]))
    answer = stub.Predict(default, timeout=5)
    assert answer.model_spec.signature_name == "serving_default"
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["y"]), [[2, 3]])
    assert stub.Predict(ask(name="other"), timeout=5).model_spec.version.value == 1


def test_the_fields_of_values(stub):
    request = ask("add", x=np.float32([[1, 2]]))
    assert request.inputs["x"].tensor_content
    request.inputs["x"].CopyFrom(_by_value())
    (y,) = stub.Predict(request, timeout=5).outputs.values()
    np.testing.assert_array_equal(tf.make_ndarray(y), [[2, 3], [3, 3]])


def _by_value():
    proto = tf.make_tensor_proto(np.float32([[0, 0], [0, 0]]))
    proto.ClearField("tensor_content")
    proto.float_val.extend([1, 2])  # the last one stands for the rest
    return proto


def test_an_output_filter(stub):
    assert set(stub.Predict(ask(wanted=["n"]), timeout=5).outputs) == {"n"}
    for wanted, text in ((["no"], "not found in signature: no"), (["n", "n"], "dupl")):
        code, details = refused(stub.Predict, ask(wanted=wanted))
        assert code == CODES.INVALID_ARGUMENT
        assert text in details


def test_a_spec_that_is_wrong(stub):
    no_spec = predict_pb2.PredictRequest()
    for request, text in (
        (no_spec, "Missing ModelSpec"),
        (ask(name=""), "no name"),
        (ask(label="stable"), "Unrecognized servable version label: stable"),
    ):
        code, details = refused(stub.Predict, request)
        assert code == CODES.INVALID_ARGUMENT
        assert text in details


@pytest.mark.parametrize("fields", [[], ["signature_def", "no"]])
def test_metadata_of_another_kind(stub, fields):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "toy"
    code, _ = refused(stub.GetModelMetadata, request)
    assert code == CODES.INVALID_ARGUMENT


def test_limits(stub):
    code, details = refused(stub.Predict, ask("add", x=np.zeros((21, 2), "f")))
    assert code == CODES.RESOURCE_EXHAUSTED
    assert "--max_batch" in details
    code, _ = refused(stub.Predict, ask("add", x=np.zeros((600, 2), "f")))
    assert code == CODES.RESOURCE_EXHAUSTED  # gRPC's own limit on messages
    splat = ask("add")
    splat.inputs["x"].CopyFrom(_by_value())
    splat.inputs["x"].tensor_shape.dim[0].size = 10**9
    code, details = refused(stub.Predict, splat)
    assert code == CODES.INVALID_ARGUMENT
    assert "8000000000 bytes" in details


def test_a_deadline(stub):
    slow = ask("wait", seconds=np.float32([0.5]))
    assert refused(stub.Predict, slow, timeout=0.1)[0] == CODES.DEADLINE_EXCEEDED


def test_the_end_waits_for_answers(tmp_path):
    model = served_toy(tmp_path)
    server, port = start_grpc_server({"toy": model}, Limits())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub, found = PredictionServiceStub(channel), []
        slow = ask("wait", seconds=np.float32([0.4]))
        thread = threading.Thread(target=lambda: found.append(stub.Predict(slow)))
        thread.start()
        time.sleep(0.2)
        stopped = server.stop(5)
        assert refused(stub.Predict, slow)[0] == CODES.UNAVAILABLE
        stopped.wait()
        thread.join()
    assert len(found) == 1


def test_a_port_that_is_taken(tmp_path):
    server, port = start_grpc_server({}, Limits())
    with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
        start_grpc_server({}, Limits(), f"127.0.0.1:{port}")
    server.stop(None)


def test_stubs_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    monkeypatch.delitem(sys.modules, "tfflows.export.serving.grpc_server")
    with pytest.raises(ImportError, match=r"pip install 'tfflows\[serving\]'"):
        import tfflows.export.serving.grpc_server  # noqa: F401
