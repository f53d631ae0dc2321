"""Bad requests over the published stubs: codes that a client can act on, no crash.

The tensors of a request are read by TensorFlow's own parser and answered by its C API,
as in TensorFlow Serving.
"""

import shutil

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.export.servers import grpc_server, served
from tfflows.export.serving.limits import Limits
from tfflows.export.writing.endpoints import most_samples

X = np.float32([[0.5, 1], [-1, 2]])
INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


class Stubs:
    """Asks for the model `mine`, unless told otherwise, without looking at inputs."""

    def __init__(self, channel):
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)

    def predict(self, signature, inputs, **spec):
        request = named(predict_pb2.PredictRequest(), signature_name=signature, **spec)
        for key, value in inputs.items():
            is_proto = isinstance(value, tensor_pb2.TensorProto)
            proto = value if is_proto else tf.make_tensor_proto(value)
            request.inputs[key].CopyFrom(proto)
        outputs = self.prediction.Predict(request, timeout=10).outputs
        return {key: tf.make_ndarray(proto) for key, proto in outputs.items()}

    def metadata(self, **spec):
        request = named(get_model_metadata_pb2.GetModelMetadataRequest(), **spec)
        request.metadata_field.append("signature_def")
        return self.prediction.GetModelMetadata(request, timeout=10)

    def states(self, **spec):
        request = named(get_model_status_pb2.GetModelStatusRequest(), **spec)
        rows = self.models.GetModelStatus(request, timeout=10).model_version_status
        state = get_model_status_pb2.ModelVersionStatus.State
        return {row.version: state.Name(row.state) for row in rows}


def named(request, name="mine", version=None, signature_name=""):
    request.model_spec.name = name
    request.model_spec.signature_name = signature_name
    if version is not None:
        request.model_spec.version.value = version
    return request


@pytest.fixture(scope="module")
def model(worker, scale_export):
    return served(worker, scale_export)


@pytest.fixture(scope="module")
def stubs(model):
    server = grpc_server(model, limits=Limits(batch=2**31))
    with server as target, grpc.insecure_channel(target) as channel:
        yield Stubs(channel)


def answers(stubs, flow, **spec):
    found = stubs.predict("log_prob", {"x": X}, **spec)["log_prob"]
    np.testing.assert_allclose(found, flow.log_prob(X), rtol=1e-5)
    return True


def proto(dtype, *shape, **content):
    shape = tf.TensorShape(shape).as_proto()
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, **content)


def negative_axis():
    message = proto(1, 1, 2, float_val=[1, 2])
    message.tensor_shape.dim[0].size = -1
    return message


FLOAT, SEEDS = tf.float32.as_datatype_enum, np.int32([[1, 2], [3, 4]])
ONES = np.float32([1, 1])


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("log_prob", {"x": proto(FLOAT, 1, 2, tensor_content=b"1234567")}, "parsing"),
        ("log_prob", {"x": proto(FLOAT, 1, 2, tensor_content=b"9" * 12)}, "parsing"),
        ("log_prob", {"x": proto(FLOAT, 2**40, 2**40, float_val=[1])}, "parsing"),
        ("log_prob", {"x": negative_axis()}, "parsing"),
        ("log_prob", {"x": proto(0, 1, 2)}, "parsing"),
        ("log_prob", {"x": proto(999, 1, 2)}, "parsing"),
        ("log_prob", {"x": proto(tf.variant.as_datatype_enum, 1)}, "parsing"),
        ("log_prob", {"x": X.astype(np.float64)}, "float but double"),
        ("log_prob", {"x": X.astype(np.float16)}, "expected an array of float32"),
        ("log_prob", {"x": tf.cast(X, tf.bfloat16)}, "expected an array of float32"),
        ("log_prob", {"x": X.astype(np.int32)}, "float but int32"),
        ("log_prob", {"x": [["a", "b"]]}, "float but string"),
        ("log_prob", {"x": X[0]}, "not compatible with expected shape"),
        ("log_prob", {"x": X[:, :1]}, "not compatible with expected shape"),
        ("log_prob", {"x": X[..., np.newaxis]}, "not compatible with expected shape"),
        ("log_prob", {"x": np.float32(1)}, "not compatible with expected shape"),
        ("log_prob", {}, r"expected inputs \['x'\], got \[\]"),
        ("log_prob", {"y": X}, r"expected inputs \['x'\], got \['y'\]"),
        ("log_prob", {"x": X, "y": X}, r"expected inputs \['x'\], got \['x', 'y'\]"),
        ("log_prob", {"x": X * np.float32(np.nan)}, "expected"),
        ("log_prob", {"x": X * np.float32(np.inf)}, "expected"),
        ("sample", {"seed": SEEDS, "temperature": -ONES}, "expected"),
        ("sample", {"seed": SEEDS, "temperature": ONES * np.nan}, "expected"),
        ("sample", {"seed": SEEDS, "temperature": ONES[:1]}, "one temperature for"),
        ("sample", {"seed": SEEDS.astype(np.int64), "temperature": ONES}, "int32 but"),
        (
            "sample_n",
            {"num_samples": np.int32(2**31 - 1), "seed": SEEDS[0], "temperature": 1.0},
            f"num_samples of at most {most_samples((2,))}",
        ),
    ],
)
def test_a_bad_request_is_an_invalid_argument(
    stubs, scale_flow, signature, inputs, message
):
    with pytest.raises(grpc.RpcError, match=message) as raised:
        stubs.predict(signature, inputs)
    assert raised.value.code() == INVALID
    assert answers(stubs, scale_flow)


def test_an_unknown_signature(stubs, scale_flow):
    """FAILED_PRECONDITION is what TensorFlow Serving says."""
    with pytest.raises(grpc.RpcError, match='"no" not found') as raised:
        stubs.predict("no", {"x": X})
    assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert answers(stubs, scale_flow)


@pytest.mark.parametrize("spec", [{"name": "other"}, {"version": 9}, {"version": -1}])
@pytest.mark.parametrize("call", ["predict", "metadata", "states"])
def test_an_unknown_model_or_version(stubs, call, spec):
    arguments = ("log_prob", {"x": X}) if call == "predict" else ()
    with pytest.raises(grpc.RpcError) as raised:
        getattr(stubs, call)(*arguments, **spec)
    assert raised.value.code() == MISSING


def test_an_empty_and_a_large_batch(stubs, scale_flow):
    for rows in (0, 100_000):
        x = np.resize(X, (rows, 2))
        found = stubs.predict("log_prob", {"x": x})["log_prob"]
        np.testing.assert_allclose(found, scale_flow.log_prob(x), rtol=1e-5)


def test_versions_come_and_go_while_it_serves(worker, scale_export, tmp_path):
    shutil.copytree(scale_export / "1", tmp_path / "1")
    model = served(worker, tmp_path)
    with grpc_server(model) as target, grpc.insecure_channel(target) as channel:
        check_versions(Stubs(channel), model, tmp_path)


def check_versions(stubs, model, folder):
    def look(**states):
        model.poll()
        model.poll()
        assert stubs.states() == {int(key[1:]): state for key, state in states.items()}
        return stubs.predict("log_prob", {"x": X})["log_prob"]

    first = look(v1="AVAILABLE")
    broken = folder / "2"
    broken.mkdir()
    whole = (folder / "1" / "saved_model.pb").read_bytes()
    for part in (whole[:1000], whole):  # a copy that stopped
        (broken / "saved_model.pb").write_bytes(part)
        np.testing.assert_array_equal(look(v1="AVAILABLE", v2="END"), first)
        with pytest.raises(grpc.RpcError) as raised:
            stubs.predict("log_prob", {"x": X}, version=2)
        assert raised.value.code() == MISSING

    shutil.copytree(folder / "1", folder / "3")
    np.testing.assert_array_equal(look(v1="END", v2="END", v3="AVAILABLE"), first)
    with pytest.raises(grpc.RpcError) as raised:
        stubs.predict("log_prob", {"x": X}, version=1)
    assert raised.value.code() == MISSING

    for version in "123":
        shutil.rmtree(folder / version)
    np.testing.assert_array_equal(look(v1="END", v2="END", v3="AVAILABLE"), first)
