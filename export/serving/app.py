"""TensorFlow Serving's REST API for served models.

Paths, forms and errors follow its http_rest_api_handler.cc, and HTTP statuses its
mapping of TensorFlow's codes. Only 413, for requests over a limit, is our own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tfflows.export.c_api import CApiError, Signature, TensorInfo
from tfflows.export.c_api.library import INVALID_ARGUMENT
from tfflows.export.serving import rest_json
from tfflows.export.serving.guard import Guard
from tfflows.export.serving.json_arrays import Arrays, BadRequestError
from tfflows.export.serving.json_processes import JsonProcessError, JsonProcesses
from tfflows.export.serving.limits import Limits, TooLargeError
from tfflows.export.serving.served_model import (
    Loaded,
    ServedModel,
    VersionNotFoundError,
)

# HTTP statuses of TensorFlow's codes, as TF Serving chooses them.
_STATUSES = {INVALID_ARGUMENT: 400, 9: 400, 11: 400, 5: 404, 8: 429, 12: 501, 14: 503}
_DTYPES = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "bool": "DT_BOOL"}
_PIECE = 256 * 2**10  # bytes of a reply sent at a time

__all__ = ["Limits", "TooLargeError", "make_app"]


def make_app(
    models: Mapping[str, ServedModel],
    limits: Limits,
    allowed_hosts: Sequence[str] | None = None,
) -> FastAPI:
    """Returns the application.

    Args:
      models: The served models by name.
      limits: Limits of a request.
      allowed_hosts: Names of the server, as in `serving.guard.Guard`.
    """
    processes = JsonProcesses()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        processes.close()

    # Leave out the documentation pages, which load scripts from other sites.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(Guard, allowed_hosts=allowed_hosts)
    _add_errors(app)
    path, version = "/v1/models/{name}", "/versions/{version}"
    for base in (path, path + version):

        @app.post(base + ":predict")
        async def predict(request: Request, name: str, version: str = "") -> Response:
            model, number = _model(models, name), _number(version)
            with model.use(number) as loaded:
                signatures = loaded.signatures
            body = await _body(request, limits, signatures)
            with model.use(number) as loaded:
                return _Reply(await _predict(loaded, body, limits, processes))

        @app.get(base + "/metadata")
        def metadata(name: str, version: str = "") -> dict:
            model = _model(models, name)
            with model.lease(_number(version)) as (served, loaded):
                return _metadata(name, served, loaded.signatures)

        @app.get(base)
        def status(name: str, version: str = "") -> dict:
            return _status(_model(models, name), _number(version))

    return app


class _Reply(Response):
    """JSON sent in pieces. The server waits for the reader after each one."""

    media_type = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.responses.Response`."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for position in range(0, len(self.body), _PIECE):
            piece = self.body[position : position + _PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


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
    add(JsonProcessError, 500)
    add(ClientDisconnect, 400)  # the client left: nobody reads the answer

    @app.exception_handler(CApiError)
    def runtime(request: Request, error: CApiError) -> Response:
        return _error(_STATUSES.get(error.code, 500), error.message)

    @app.exception_handler(Exception)  # the log has it in full
    def unexpected(request: Request, error: Exception) -> Response:
        return _error(500, f"internal error: {type(error).__name__}")


def _error(status: int, text: str) -> Response:
    # JSONResponse would fail on half of a surrogate pair, "\ud800", in a name.
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


async def _body(
    request: Request, limits: Limits, signatures: Mapping[str, Signature]
) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal():
        limits.check_bytes(int(length[:20]), signatures)
    body = bytearray()
    async for part in request.stream():
        body += part
        limits.check_bytes(len(body), signatures)
    return bytes(body)


async def _predict(
    loaded: Loaded, body: bytes, limits: Limits, processes: JsonProcesses
) -> bytes:
    request = await processes.read(body, loaded.signatures)
    limits.check_rows(request.inputs)
    outputs = await run_in_threadpool(_run, loaded, request)
    return await processes.write(outputs, request.rows)


def _run(loaded: Loaded, request: rest_json.Request) -> Arrays:
    try:
        return loaded.run(request.signature, request.inputs)
    except CApiError as error:
        signature = loaded.signatures[request.signature]
        hint = rest_json.columns_hint(request.signature, signature.inputs)
        if error.code != INVALID_ARGUMENT or not request.rows or not hint:
            raise
        raise BadRequestError(f"{error.message}{hint}") from error


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
    name: str, version: int, signatures: Mapping[str, Signature]
) -> dict[str, Any]:
    """Returns the JSON form of a GetModelMetadataResponse."""
    definitions = {
        key: {
            "inputs": {k: _info(info) for k, info in signature.inputs.items()},
            "outputs": {k: _info(info) for k, info in signature.outputs.items()},
            "method_name": "tensorflow/serving/predict",
        }
        for key, signature in signatures.items()
    }
    spec = {"name": name, "signature_name": "", "version": str(version)}
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
