"""The gRPC client, over grpcio and the stubs of tensorflow-serving-api."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tfflows.export.c_api import Signature, TensorInfo
from tfflows.export.client.arrays import Arrays
from tfflows.export.client.base import Client
from tfflows.export.client.errors import ServingError
from tfflows.system.extras import needed

_MOST_RETRIES = 4  # grpc makes at most five attempts
_MAX_BACKOFF = 5.0  # seconds


class GrpcClient(Client):
    """A client of TensorFlow Serving's gRPC API.

    grpc's own retry policy repeats a request after UNAVAILABLE, which includes failed
    connections, with a pause that doubles.

    Args:
      target: "127.0.0.1:8500".
      model: Name of the served model.
      version: A version; None: the server chooses.
      chunk_size: Number of rows in a request.
      timeout: Seconds for a request, including its retries.
      retries: Number of retries, at most 4.
      backoff: Seconds before the first retry; doubled for each further one.
      max_message_bytes: Largest message to send or receive. (grpc's own limit, 4 MiB,
        is a batch of 341 images of 32x32x3 floats.)
      credentials: A `grpc.ChannelCredentials` for TLS; None: a plain connection.

    Raises:
      ImportError: If tensorflow-serving-api is not installed.
    """

    def __init__(
        self,
        target: str,
        model: str,
        version: int | None = None,
        *,
        chunk_size: int = 256,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.1,
        max_message_bytes: int = 64 * 2**20,
        credentials: Any = None,
    ) -> None:
        super().__init__(model, version, chunk_size)
        if not 0 <= retries <= _MOST_RETRIES:
            raise ValueError(f"expected 0 to {_MOST_RETRIES} retries, got {retries}")
        self._timeout = timeout
        self._api = api = _Api()
        options = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.service_config", _service_config(retries, backoff)),
        ]
        if credentials is None:
            self._channel = api.grpc.insecure_channel(target, options)
        else:
            self._channel = api.grpc.secure_channel(target, credentials, options)
        self._prediction = api.prediction.PredictionServiceStub(self._channel)
        self._service = api.model_service.ModelServiceStub(self._channel)

    def close(self) -> None:
        """See `Client.close`."""
        self._channel.close()

    def metadata(self) -> dict[str, Signature]:
        """See `Client.metadata`."""
        request = self._api.metadata.GetModelMetadataRequest()
        request.metadata_field.append("signature_def")
        answer = self._send(self._prediction.GetModelMetadata, request)
        signatures = self._api.metadata.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return {
            name: Signature(self._infos(item.inputs), self._infos(item.outputs))
            for name, item in signatures.signature_def.items()
            if name != "__saved_model_init_op"
        }

    def status(self) -> dict[int, str]:
        """See `Client.status`."""
        request = self._api.status.GetModelStatusRequest()
        answer = self._send(self._service.GetModelStatus, request)
        states = self._api.status.ModelVersionStatus.State
        return {
            row.version: states.Name(row.state) for row in answer.model_version_status
        }

    def _call(self, name: str, signature: Signature, inputs: Arrays) -> Arrays:
        tf, request = self._api.tf, self._api.predict.PredictRequest()
        request.model_spec.signature_name = name
        for key, array in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
        answer = self._send(self._prediction.Predict, request)
        return {key: tf.make_ndarray(value) for key, value in answer.outputs.items()}

    def _send(self, method: Callable[..., Any], request: Any) -> Any:
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        try:
            return method(request, timeout=self._timeout)
        except self._api.grpc.RpcError as error:
            raise ServingError(error.code().name, error.details()) from error

    def _infos(self, tensors: Any) -> dict[str, TensorInfo]:
        infos = {}
        for name, info in tensors.items():
            dtype = self._api.tf.dtypes.as_dtype(info.dtype).name
            shape = tuple(dim.size for dim in info.tensor_shape.dim)
            known = None if info.tensor_shape.unknown_rank else shape
            infos[name] = TensorInfo(info.name, dtype, known)
        return infos


class _Api:
    """The published protos and stubs. Importing them imports TensorFlow."""

    def __init__(self) -> None:
        with needed("serving", "tensorflow-serving-api for the gRPC client"):
            import grpc
            import tensorflow as tf
            from tensorflow_serving.apis import (
                get_model_metadata_pb2,
                get_model_status_pb2,
                model_service_pb2_grpc,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        self.grpc, self.tf = grpc, tf
        self.metadata, self.status = get_model_metadata_pb2, get_model_status_pb2
        self.predict, self.prediction = predict_pb2, prediction_service_pb2_grpc
        self.model_service = model_service_pb2_grpc


def _service_config(retries: int, backoff: float) -> str:
    method: dict[str, Any] = {"name": [{}]}
    if retries:
        method["retryPolicy"] = {
            "maxAttempts": retries + 1,
            "initialBackoff": f"{backoff}s",
            "maxBackoff": f"{_MAX_BACKOFF}s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
    return json.dumps({"methodConfig": [method]})
