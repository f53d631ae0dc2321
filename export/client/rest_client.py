"""The REST client, over requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfflows.export.c_api import Signature, TensorInfo
from tfflows.export.client.arrays import Arrays, is_batched
from tfflows.export.client.base import Client
from tfflows.export.client.errors import ServingError
from tfflows.system.extras import needed
from tfflows.system.garbage import collector_paused

_RETRIED = (429, 502, 503, 504)
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_BOOL": "bool",
    "DT_STRING": "string",
}


class RestClient(Client):
    """A client of TensorFlow Serving's REST API.

    It repeats a request after 429, 502, 503, 504 or a failed connection, with a pause
    that doubles (urllib3's `Retry`, which also obeys Retry-After).

    Args:
      url: "http://127.0.0.1:8501".
      model: Name of the served model.
      version: A version; None: the server chooses.
      form: "row" or "columnar" requests. Signatures without a batch axis always use
        columns, because rows cannot hold their scalars.
      chunk_size: Number of rows in a request.
      timeout: Seconds to connect, and to wait for the next byte of an answer.
      retries: Number of retries.
      backoff: Seconds before the second retry; doubled for each further one.

    Raises:
      ImportError: If requests is not installed.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None = None,
        *,
        form: str = "row",
        chunk_size: int = 256,
        timeout: float = 30.0,
        retries: int = 5,
        backoff: float = 0.1,
    ) -> None:
        super().__init__(model, version, chunk_size)
        if form not in ("row", "columnar"):
            raise ValueError(f"expected form 'row' or 'columnar', got {form!r}")
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"expected a url http://HOST:PORT or https://, got {url!r}"
            )
        self._form, self._timeout = form, timeout
        path = f"{url.rstrip('/')}/v1/models/{model}"
        self._url = path if version is None else f"{path}/versions/{version}"
        self._session = _session(retries, backoff)

    def close(self) -> None:
        """See `Client.close`."""
        self._session.close()

    def metadata(self) -> dict[str, Signature]:
        """See `Client.metadata`."""
        answer = self._request("GET", "/metadata")
        signatures = answer["metadata"]["signature_def"]["signature_def"]
        return {
            name: Signature(_infos(item["inputs"]), _infos(item["outputs"]))
            for name, item in signatures.items()
            if name != "__saved_model_init_op"
        }

    def status(self) -> dict[int, str]:
        """See `Client.status`."""
        rows = self._request("GET", "")["model_version_status"]
        return {int(row["version"]): row["state"] for row in rows}

    def _call(self, name: str, signature: Signature, inputs: Arrays) -> Arrays:
        rows = self._form == "row" and is_batched(signature)
        # JSON is lists of lists of numbers. Not while the server works: requests of
        # other threads would leave no time to collect.
        with collector_paused():
            data = _text(name, inputs, rows)
        answer = self._request("POST", ":predict", data)
        outputs = answer["predictions" if rows else "outputs"]
        with collector_paused():
            return _arrays(outputs, signature.outputs, rows)

    def _request(self, method: str, path: str, data: str | None = None) -> Any:
        import requests

        try:
            response = self._session.request(
                method, self._url + path, data=data, timeout=self._timeout
            )
            with collector_paused():
                answer = response.json()
        except requests.JSONDecodeError:
            answer = {"error": response.text[:200]}
        except requests.RequestException as error:
            raise ServingError(_transport_code(error), str(error)) from error
        if not response.ok or "error" in answer:
            code = _CODES.get(response.status_code, "INTERNAL")
            raise ServingError(code, answer.get("error", response.reason))
        return answer


def _session(retries: int, backoff: float) -> Any:
    with needed("serving", "requests for the REST client"):
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry
    retry = Retry(
        total=retries,
        backoff_factor=backoff,
        status_forcelist=_RETRIED,
        allowed_methods=None,  # a prediction changes nothing: POST as well
        raise_on_status=False,
    )
    session = requests.Session()
    session.headers["Content-Type"] = "application/json"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _transport_code(error: Exception) -> str:
    # If the last retry times out, the reason is inside a ConnectionError.
    reason = getattr(error.args[0], "reason", error) if error.args else error
    late = "Timeout" in type(reason).__name__
    return "DEADLINE_EXCEEDED" if late else "UNAVAILABLE"


def _infos(tensors: Mapping[str, Any]) -> dict[str, TensorInfo]:
    """Reads the JSON form of protos TensorInfo."""
    infos = {}
    for name, info in tensors.items():
        dtype, shape = info["dtype"], info["tensor_shape"]
        dims = tuple(int(dim["size"]) for dim in shape.get("dim", []))
        infos[name] = TensorInfo(
            info["name"],
            _DTYPES.get(dtype, dtype.removeprefix("DT_").lower()),
            None if shape.get("unknown_rank") else dims,
        )
    return infos


def _text(name: str, inputs: Arrays, rows: bool) -> str:
    """Returns the JSON of a request, by rows or by columns."""
    lists = {key: array.tolist() for key, array in inputs.items()}
    body: Any = lists
    if rows:
        columns = zip(*lists.values(), strict=True)
        body = [dict(zip(lists, row, strict=True)) for row in columns]
    request = {"signature_name": name, "instances" if rows else "inputs": body}
    return json.dumps(request, default=_base64)


def _arrays(outputs: Any, infos: Mapping[str, TensorInfo], rows: bool) -> Arrays:
    """Returns the arrays of an answer. A single output comes without its name."""
    if len(infos) == 1:
        outputs = {next(iter(infos)): outputs}
    elif rows:
        outputs = {name: [row[name] for row in outputs] for name in infos}
    return {
        name: np.array(_texts(outputs[name]), np.bytes_)
        if info.dtype == "string"
        else np.array(outputs[name], info.dtype)
        for name, info in infos.items()
    }


def _base64(text: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(text).decode()}


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
