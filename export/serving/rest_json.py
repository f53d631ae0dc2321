"""TensorFlow Serving's JSON forms of a prediction: requests read, replies written.

The rules, and the texts of the errors, are those of its util/json_tensor.cc: rows
(`{"instances": [{"x": ...}, ...]}`, answered by "predictions") or columns
(`{"inputs": {"x": ...}}`, answered by "outputs"); a single input or output may come
without its name; no number is converted with a loss. Differences: NaN and Infinity are
refused in a request, and so are inputs that the signature does not name and keys that
stand twice in an object. A reply carries what is not finite as the bare tokens NaN,
Infinity and -Infinity, as there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tfflows.export.c_api import Signature, TensorInfo
from tfflows.export.serving.json_arrays import (
    Arrays,
    BadRequestError,
    to_array,
    to_lists,
)

DEFAULT = "serving_default"


class Request(NamedTuple):
    """One prediction asked for: signature, inputs, and whether it came in rows."""

    signature: str
    inputs: Arrays
    rows: bool


def read_request(body: bytes, signatures: Mapping[str, Signature]) -> Request:
    """Reads the body of a request.

    Args:
      body: The JSON text.
      signatures: The signatures of the model, which give dtypes.

    Raises:
      BadRequestError: If the body is no JSON or has another form, the signature is
        unknown, inputs are missing or of another type, or a value is not finite.
    """
    document = _parse(body)
    name = document.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise BadRequestError("'signature_name' key must be a string value.")
    name = name or DEFAULT
    if name not in signatures:
        raise BadRequestError(
            f'Serving signature name: "{name}" not found in signature def'
        )
    infos = signatures[name].inputs
    if not infos:
        raise BadRequestError(f"Failed to get input map for signature: {name}")
    if ("instances" in document) == ("inputs" in document):
        raise BadRequestError("Expecting one of 'inputs' or 'instances' keys to exist")
    rows = "instances" in document
    try:
        values = (_columns if rows else _named)(
            document["instances" if rows else "inputs"], infos
        )
        arrays = {key: to_array(key, values[key], info) for key, info in infos.items()}
    except BadRequestError as error:
        hint = columns_hint(name, infos) if rows else ""
        raise BadRequestError(f"{error}{hint}") from None
    return Request(name, arrays, rows)


def columns_hint(name: str, infos: Mapping[str, TensorInfo]) -> str:
    """Returns a hint for errors of requests in rows, if columns are needed.

    Args:
      name: Name of the signature.
      infos: Its inputs.

    Returns:
      A request to copy if inputs are scalars, which rows cannot hold; or "".
    """
    scalars = sorted(key for key, info in infos.items() if info.shape == ())
    if not scalars:
        return ""
    inputs = {key: _ones(info) for key, info in infos.items()}
    request = json.dumps({"signature_name": name, "inputs": inputs})
    return (
        f"; rows ('instances') have a batch axis, and {', '.join(scalars)} of {name} "
        f"have none: ask columns, as in {request}"
    )


def write_reply(outputs: Arrays, rows: bool) -> bytes:
    """Writes the outputs in the form of the request.

    Raises:
      BadRequestError: If outputs lack a common batch axis, which rows need.
    """
    if rows:
        sizes = {name: array.shape[:1] for name, array in outputs.items()}
        if len(set(sizes.values())) > 1 or () in sizes.values():
            raise BadRequestError(
                f"outputs have no common batch size: {sizes}; ask columns"
            )
    lists = {name: to_lists(name, array) for name, array in outputs.items()}
    answer: Any = lists
    if len(lists) == 1:
        (answer,) = lists.values()
    elif rows:
        columns = zip(*lists.values(), strict=True)
        answer = [dict(zip(lists, row, strict=True)) for row in columns]
    return json.dumps({"predictions" if rows else "outputs": answer}).encode()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        # Decode here, because json.loads would also guess UTF-16 and UTF-32.
        document = json.loads(
            body.decode(),
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except BadRequestError:
        raise
    except RecursionError:
        raise BadRequestError("JSON Parse error: nested too deeply") from None
    except ValueError as error:  # includes bytes that are not UTF-8
        raise BadRequestError(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise BadRequestError("JSON Value: Is not object")
    return document


def _refuse_constant(token: str) -> NoReturn:
    raise BadRequestError(f"JSON Parse error: expected finite numbers, got {token}")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise BadRequestError(f"JSON Parse error: expected each key once, got {key!r}")
    return document


def _columns(instances: Any, infos: Mapping[str, TensorInfo]) -> dict[str, list]:
    """Turns rows into one list for each input."""
    if not isinstance(instances, list):
        raise BadRequestError("Expecting 'instances' to be a list/array")
    if not instances:
        raise BadRequestError("No values in 'instances' array")
    if not _is_object(instances[0]):
        if len(infos) > 1:
            raise BadRequestError(
                "instances is a plain list, but expecting list of objects as multiple "
                "input tensors required as per tensorinfo_map"
            )
        return {next(iter(infos)): instances}
    for item, row in enumerate(instances):
        if not _is_object(row):
            raise BadRequestError(f"Expecting object but got list at item {item}")
        if row.keys() != infos.keys():
            raise BadRequestError(
                f"Failed to process element: {item} of 'instances' list. JSON object: "
                f"keys must be equal to: {','.join(sorted(infos))}"
            )
    return {name: [row[name] for row in instances] for name in infos}


def _named(inputs: Any, infos: Mapping[str, TensorInfo]) -> dict[str, Any]:
    if not _is_object(inputs):
        if len(infos) > 1:
            raise BadRequestError(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        return {next(iter(infos)): inputs}
    for name in infos:
        if name not in inputs:
            raise BadRequestError(f"Missing named input: {name} in 'inputs' object.")
    if more := inputs.keys() - infos.keys():
        raise BadRequestError(
            f"expected no inputs but {sorted(infos)}, got {sorted(more)}"
        )
    return inputs


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not (len(value) == 1 and "b64" in value)


def _ones(info: TensorInfo) -> Any:
    shape = [max(size, 1) for size in info.shape or ()]
    if info.dtype == "string":
        return np.full(shape, "text").tolist()
    return np.ones(shape, info.dtype).tolist()
