"""TensorFlow Serving's REST API over served models.

Paths, forms and errors are those of its http_rest_api_handler.cc, the HTTP statuses
those it makes of TensorFlow's codes; 413 for what is over a limit is our own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tfflows.export import rest_json
from tfflows.export.c_api import CApiError, Signature, TensorInfo
from tfflows.export.c_api.library import INVALID_ARGUMENT
from tfflows.export.json_arrays import BadRequestError
from tfflows.export.served_model import ServedModel, VersionNotFoundError

# HTTP statuses of TensorFlow's codes, as TF Serving chooses them.
_STATUSES = {INVALID_ARGUMENT: 400, 9: 400, 11: 400, 5: 404, 8: 429, 12: 501, 14: 503}
_DTYPES = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "bool": "DT_BOOL"}


class Limits(NamedTuple):
    """What one request may ask for."""

    request_bytes: int = 32 * 2**20
    batch: int = 1024


class TooLargeError(Exception):
    """A request over the limits; its text is for the client."""


def make_app(models: Mapping[str, ServedModel], limits: Limits) -> FastAPI:
    """The application.

    Args:
      models: The served models by name.
      limits: What one request may ask for.
    """
    # Without the pages of documentation, which load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)
    path, version = "/v1/models/{name}", "/versions/{version}"
    for base in (path, path + version):

        @app.post(base + ":predict")
        async def predict(request: Request, name: str, version: str = "") -> Response:
            model, number = _model(models, name), _number(version)
            body = await _body(request, limits.request_bytes)
            reply = await run_in_threadpool(_predict, model, number, body, limits.batch)
            return Response(reply, media_type="application/json")

        @app.get(base + "/metadata")
        def metadata(name: str, version: str = "") -> dict:
            model = _model(models, name)
            with model.use(_number(version)) as loaded:
                return _metadata(model, loaded.signatures)

        @app.get(base)
        def status(name: str, version: str = "") -> dict:
            return _status(_model(models, name), _number(version))

    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    def malformed(request: Request, error: Exception) -> Response:
        what = f"{request.method} {request.url.path}"
        return _error(400, f"Malformed request: {what}")

    def add(kind: type[Exception], status: int) -> None:
        app.add_exception_handler(kind, lambda _, error: _error(status, str(error)))

    add(BadRequestError, 400)
    add(VersionNotFoundError, 404)
    add(TooLargeError, 413)
    add(ClientDisconnect, 400)  # in the middle of a request: nobody reads the answer

    @app.exception_handler(CApiError)
    def runtime(request: Request, error: CApiError) -> Response:
        return _error(_STATUSES.get(error.code, 500), error.message)


def _error(status: int, text: str) -> Response:
    # Not JSONResponse, which fails on half of a surrogate pair, "\ud800", in a name.
    body = json.dumps({"error": text})
    return Response(body, status, media_type="application/json")


def _model(models: Mapping[str, ServedModel], name: str) -> ServedModel:
    if name not in models:
        raise VersionNotFoundError(f"Servable not found for request: Latest({name})")
    return models[name]


def _number(version: str) -> int | None:
    if version and not (version.isascii() and version.isdecimal()):
        raise BadRequestError(f"Failed to convert version: {version} to numeric.")
    return int(version[:20]) if version else None


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooLargeError(f"expected a request of at most {limit} bytes")
    return bytes(body)


def _predict(model: ServedModel, version: int | None, body: bytes, batch: int) -> bytes:
    with model.use(version) as loaded:
        request = rest_json.read_request(body, loaded.signatures)
        _check_batch(request.inputs, batch)
        try:
            outputs = loaded.run(request.signature, request.inputs)
        except CApiError as error:
            signature = loaded.signatures[request.signature]
            hint = rest_json.columns_hint(request.signature, signature.inputs)
            if error.code != INVALID_ARGUMENT or not request.rows or not hint:
                raise
            raise BadRequestError(f"{error.message}{hint}") from error
    return rest_json.write_reply(outputs, request.rows)


def _check_batch(inputs: Mapping[str, np.ndarray], limit: int) -> None:
    rows = {name: array.shape[0] for name, array in inputs.items() if array.ndim}
    if "num_samples" in inputs:  # of sample_n, whose batch is a number
        rows["num_samples"] = int(np.max(inputs["num_samples"], initial=0))
    for name, count in rows.items():
        if count > limit:
            raise TooLargeError(
                f"expected at most {limit} rows (--max_batch), got {count} in {name}"
            )


def _status(model: ServedModel, version: int | None) -> dict[str, Any]:
    rows = [
        {
            "version": str(number),
            "state": state,
            "status": {
                "error_code": "UNKNOWN" if error else "OK",
                "error_message": error,
            },
        }
        for number, (state, error) in model.status(version).items()
    ]
    return {"model_version_status": rows}


def _metadata(
    model: ServedModel, signatures: Mapping[str, Signature]
) -> dict[str, Any]:
    """The JSON form of a proto GetModelMetadataResponse."""
    definitions = {
        name: {
            "inputs": {key: _info(info) for key, info in signature.inputs.items()},
            "outputs": {key: _info(info) for key, info in signature.outputs.items()},
            "method_name": "tensorflow/serving/predict",
        }
        for name, signature in signatures.items()
    }
    spec = {"name": model.name, "signature_name": "", "version": str(model.version)}
    return {
        "model_spec": spec,
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def _info(info: TensorInfo) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in info.shape or ()]
    return {
        "dtype": _DTYPES.get(info.dtype, f"DT_{info.dtype.upper()}"),
        "tensor_shape": {"dim": dims, "unknown_rank": info.shape is None},
        "name": info.tensor,
    }
