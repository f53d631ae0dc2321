"""A gRPC server of one model that speaks TF Serving's published protos.

TF Serving's own program is in no package registry; its codes and texts are repeated.
"""

import contextlib
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfflows.export.c_api import CApiError
from tfflows.export.served_model import VersionNotFoundError

CODES = grpc.StatusCode
_BY_NUMBER = {code.value[0]: code for code in CODES}  # the same as TensorFlow's


@contextlib.contextmanager
def grpc_server(model, before=lambda context: None):
    """Yields the address; `before` sees the context of each call first."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(model, before), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Status(model), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def using(model, spec, context):
    version = spec.version.value if spec.HasField("version") else None
    try:
        if spec.name != model.name:
            raise VersionNotFoundError(f"Servable not found for request: {spec.name}")
        with model.use(version) as loaded:
            yield loaded
    except VersionNotFoundError as error:
        context.abort(CODES.NOT_FOUND, str(error))
    except CApiError as error:
        context.abort(_BY_NUMBER[error.code], error.message)


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model, before):
        self._model, self._before = model, before

    def Predict(self, request, context):
        self._before(context)
        name = request.model_spec.signature_name or "serving_default"
        with using(self._model, request.model_spec, context) as loaded:
            if name not in loaded.signatures:
                text = f'Serving signature key "{name}" not found.'
                context.abort(CODES.FAILED_PRECONDITION, text)
            inputs = request.inputs.items()
            arrays = {key: _array(key, proto, context) for key, proto in inputs}
            outputs = loaded.run(name, arrays)
        answer = predict_pb2.PredictResponse()
        for key, array in outputs.items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(array))
        return answer

    def GetModelMetadata(self, request, context):
        self._before(context)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with using(self._model, request.model_spec, context) as loaded:
            for name, signature in loaded.signatures.items():
                definition = signatures.signature_def[name]
                _describe(signature.inputs, definition.inputs)
                _describe(signature.outputs, definition.outputs)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(signatures)
        return answer


class _Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, model):
        self._model = model

    def GetModelStatus(self, request, context):
        answer = get_model_status_pb2.GetModelStatusResponse()
        with using(self._model, request.model_spec, context):
            for number, (state, _) in self._model.status().items():
                row = answer.model_version_status.add(version=number)
                row.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
        return answer


def _array(key, proto, context):
    """Read by Tensor::FromProto, as in the server."""
    try:
        array = tf.io.parse_tensor(proto.SerializeToString(), proto.dtype).numpy()
    except (tf.errors.OpError, TypeError):
        context.abort(CODES.INVALID_ARGUMENT, f"tensor parsing error: {key}")
    array = np.asarray(array)  # of a scalar too
    return array.astype(np.bytes_) if array.dtype == object else array


def _describe(infos, tensors):
    for name, info in infos.items():
        tensors[name].name = info.tensor
        tensors[name].dtype = tf.as_dtype(info.dtype).as_datatype_enum
        tensors[name].tensor_shape.unknown_rank = info.shape is None
        for size in info.shape or ():
            tensors[name].tensor_shape.dim.add(size=size)
