"""TensorFlow Serving's gRPC API for served models: Predict, metadata, status.

Messages, codes and texts follow its PredictionService and ModelService, whose stubs
come with tensorflow-serving-api. Only RESOURCE_EXHAUSTED, for requests over
`--max_batch`, is our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.export.c_api import CApiError, Signature, TensorInfo
from tfflows.export.serving.limits import Limits, TooLargeError
from tfflows.export.serving.served_model import (
    Loaded,
    ServedModel,
    VersionNotFoundError,
)
from tfflows.system.extras import needed

with needed("serving", "grpcio and tensorflow-serving-api for --grpc_port"):
    import grpc
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

_CODES = grpc.StatusCode
_BY_NUMBER = {code.value[0]: code for code in _CODES}  # the same as TensorFlow's
_THREADS = 16
_DEFAULT = "serving_default"


class _Refusal(Exception):  # noqa: N818 (an answer, not a fault)
    """An error answer to a call."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def start_grpc_server(
    models: Mapping[str, ServedModel],
    limits: Limits,
    address: str = "127.0.0.1:0",
    interceptors: Sequence[grpc.ServerInterceptor] = (),
) -> tuple[grpc.Server, int]:
    """Starts a server in its own threads.

    Args:
      models: The served models by name.
      limits: Limits of a request. gRPC itself answers larger messages with
        RESOURCE_EXHAUSTED.
      address: HOST:PORT; port 0 is any free one.
      interceptors: gRPC interceptors, which see each call first.

    Returns:
      The server and its port.

    Raises:
      OSError: If it cannot listen at the address.
    """
    most = limits.message_bytes()
    server = grpc.server(
        futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"),
        interceptors=interceptors,
        options=[
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # a port that is taken is an error
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(models, limits), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Status(models), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address} for gRPC: {error}") from error
    server.start()
    return server, port


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: Mapping[str, ServedModel], limits: Limits) -> None:
        self._models, self._limits = models, limits

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Runs one signature."""
        with _refusing(context):
            model = _find(self._models, request)
            with model.lease(_version(request)) as (version, loaded):
                if not context.is_active():  # its deadline passed while it waited
                    raise _Refusal(_CODES.CANCELLED, "the client has gone")
                name = request.model_spec.signature_name or _DEFAULT
                outputs = self._run(request, name, loaded)
        answer = predict_pb2.PredictResponse(model_spec=_spec(model, version, name))
        for key, array in outputs.items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(array))
        return answer

    def _run(self, request: Any, name: str, loaded: Loaded) -> dict[str, np.ndarray]:
        if name not in loaded.signatures:
            text = f'Serving signature key "{name}" not found.'
            raise _Refusal(_CODES.FAILED_PRECONDITION, text)
        wanted = _filtered(request.output_filter, loaded.signatures[name])
        most = self._limits.message_bytes()
        inputs = {
            key: _array(key, proto, most) for key, proto in request.inputs.items()
        }
        self._limits.check_rows(inputs)
        outputs = loaded.run(name, inputs)
        return {key: outputs[key] for key in wanted}

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the signatures."""
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with _refusing(context):
            model = _find(self._models, request)
            with model.lease(_version(request)) as (version, loaded):
                _check_fields(request.metadata_field)
                for name, signature in loaded.signatures.items():
                    definition = signatures.signature_def[name]
                    definition.method_name = "tensorflow/serving/predict"
                    _describe(signature.inputs, definition.inputs)
                    _describe(signature.outputs, definition.outputs)
        answer = get_model_metadata_pb2.GetModelMetadataResponse(
            model_spec=_spec(model, version)
        )
        answer.metadata["signature_def"].Pack(signatures)
        return answer


class _Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the states of the versions."""
        answer = get_model_status_pb2.GetModelStatusResponse()
        states = get_model_status_pb2.ModelVersionStatus.State
        with _refusing(context):
            versions = _find(self._models, request).status(_version(request))
            for number, (state, error) in versions.items():
                row = answer.model_version_status.add(version=number)
                row.state = states.Value(state)
                row.status.error_code = _CODES.UNKNOWN.value[0] if error else 0
                row.status.error_message = error
        return answer


@contextmanager
def _refusing(context: Any) -> Iterator[None]:
    """Ends the call with an error's code."""
    try:
        yield
    except _Refusal as error:
        context.abort(error.code, str(error))
    except VersionNotFoundError as error:
        context.abort(_CODES.NOT_FOUND, str(error))
    except TooLargeError as error:
        context.abort(_CODES.RESOURCE_EXHAUSTED, str(error))
    except CApiError as error:
        context.abort(_BY_NUMBER.get(error.code, _CODES.UNKNOWN), error.message)


def _find(models: Mapping[str, ServedModel], request: Any) -> ServedModel:
    spec = request.model_spec
    if not request.HasField("model_spec"):
        raise _Refusal(_CODES.INVALID_ARGUMENT, "Missing ModelSpec")
    if not spec.name:
        text = "ModelSpec has no name specified."
        raise _Refusal(_CODES.INVALID_ARGUMENT, text)
    if spec.version_label:  # they come from a models.config, which the server lacks
        text = f"Unrecognized servable version label: {spec.version_label}"
        raise _Refusal(_CODES.INVALID_ARGUMENT, text)
    if spec.name not in models:
        text = f"Servable not found for request: Latest({spec.name})"
        raise VersionNotFoundError(text)
    return models[spec.name]


def _version(request: Any) -> int | None:
    spec = request.model_spec
    return spec.version.value if spec.HasField("version") else None


def _check_fields(fields: Sequence[str]) -> None:
    if not fields:
        text = "GetModelMetadataRequest must specify at least one metadata_field"
        raise _Refusal(_CODES.INVALID_ARGUMENT, text)
    for field in fields:
        if field != "signature_def":
            text = f"Metadata field {field} is not supported"
            raise _Refusal(_CODES.INVALID_ARGUMENT, text)


def _filtered(wanted: Sequence[str], signature: Signature) -> list[str]:
    """Returns the names of requested outputs, or of all."""
    for number, key in enumerate(wanted):
        if key not in signature.outputs:
            raise _Refusal(
                _CODES.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {key} Outputs expected "
                f"to be in the set {{{','.join(sorted(signature.outputs))}}}.",
            )
        if key in wanted[:number]:
            text = f"duplicate output tensor alias: {key}"
            raise _Refusal(_CODES.INVALID_ARGUMENT, text)
    return list(wanted or signature.outputs)


def _spec(model: ServedModel, version: int, signature: str = "") -> Any:
    spec = model_pb2.ModelSpec(name=model.name, signature_name=signature)
    spec.version.value = version
    return spec


def _array(key: str, proto: Any, most_bytes: int) -> np.ndarray:
    """Reads an array as TensorFlow Serving does, with Tensor::FromProto."""
    failed = f"tensor parsing error: {key}"
    try:
        dtype = tf.as_dtype(proto.dtype)
        # One value may fill a whole tensor, however large its shape.
        size = math.prod(dim.size for dim in proto.tensor_shape.dim) * dtype.size
        if 2**63 > size > most_bytes:
            text = f"{failed}: {size} bytes, more than the {most_bytes} of a request"
            raise _Refusal(_CODES.INVALID_ARGUMENT, text)
        array = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    except (tf.errors.OpError, TypeError, ValueError, NotImplementedError):
        raise _Refusal(_CODES.INVALID_ARGUMENT, failed) from None
    array = np.asarray(array)  # of a scalar too
    return array.astype(np.bytes_) if array.dtype == object else array


def _describe(infos: Mapping[str, TensorInfo], tensors: Any) -> None:
    for name, info in infos.items():
        tensors[name].name = info.tensor
        tensors[name].dtype = tf.as_dtype(info.dtype).as_datatype_enum
        tensors[name].tensor_shape.unknown_rank = info.shape is None
        for size in info.shape or ():
            tensors[name].tensor_shape.dim.add(size=size)
