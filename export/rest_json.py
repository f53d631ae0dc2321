"""TensorFlow Serving's JSON forms of a prediction: requests read, replies written.

The rules, and the texts of the errors, are those of its util/json_tensor.cc: rows
(`{"instances": [{"x": ...}, ...]}`, answered by "predictions") or columns
(`{"inputs": {"x": ...}}`, answered by "outputs"); a single input or output may come
without its name; no number is converted with a loss. Two differences: NaN and Infinity
are refused in a request, and so are inputs that the signature does not name. A reply
carries what is not finite as the bare tokens NaN, Infinity and -Infinity, as there.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tfflows.export.c_api import Signature, TensorInfo

DEFAULT = "serving_default"

Arrays = dict[str, np.ndarray]


class BadRequestError(ValueError):
    """A request that does not follow the rules; its text is for the client."""


class Request(NamedTuple):
    """One prediction asked for: signature, inputs, and whether it came in rows."""

    signature: str
    inputs: Arrays
    rows: bool


def read_request(body: bytes, signatures: Mapping[str, Signature]) -> Request:
    """Reads the body of a request.

    Args:
      body: The JSON text.
      signatures: The signatures of the model, which say dtypes.

    Raises:
      BadRequestError: No JSON, or not of the forms; an unknown signature,
        inputs that are missing or of another type, a value that is not finite.
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
    values = (_columns if rows else _named)(
        document["instances" if rows else "inputs"], infos
    )
    arrays = {key: _array(key, values[key], info) for key, info in infos.items()}
    return Request(name, arrays, rows)


def write_reply(outputs: Arrays, rows: bool) -> bytes:
    """Writes the outputs in the form of the request.

    Raises:
      BadRequestError: Outputs without a common batch axis, which rows need.
    """
    if rows:
        sizes = {name: array.shape[:1] for name, array in outputs.items()}
        if len(set(sizes.values())) > 1 or () in sizes.values():
            raise BadRequestError(
                f"outputs have no common batch size: {sizes}; ask columns"
            )
    lists = {name: _jsonable(name, array) for name, array in outputs.items()}
    answer: Any = lists
    if len(lists) == 1:
        (answer,) = lists.values()
    elif rows:
        columns = zip(*lists.values(), strict=True)
        answer = [dict(zip(lists, row, strict=True)) for row in columns]
    return json.dumps({"predictions" if rows else "outputs": answer}).encode()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except BadRequestError:
        raise
    except RecursionError:
        raise BadRequestError("JSON Parse error: nested too deeply") from None
    except ValueError as error:  # also bytes that are not UTF-8
        raise BadRequestError(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise BadRequestError("JSON Value: Is not object")
    return document


def _refuse_constant(token: str) -> NoReturn:
    raise BadRequestError(f"JSON Parse error: expected finite numbers, got {token}")


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
    return isinstance(value, dict) and value.keys() != {"b64"}


def _array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    try:
        shape, leaves = _flatten(value)
        return _convert(leaves, info.dtype).reshape(shape)
    except BadRequestError as error:
        raise BadRequestError(f"input {name}: {error}") from None


def _flatten(value: Any) -> tuple[list[int], list]:
    """Returns the shape of nested lists, and what lies in them."""
    shape: list[int] = []
    level = [value]
    while level and list in (kinds := set(map(type, level))):
        sizes = set(map(len, level)) if len(kinds) == 1 else set()
        if len(sizes) != 1:
            raise BadRequestError(
                f"Encountered list at unexpected size or level: {len(shape)}; expected "
                "lists of one length at each level"
            )
        shape.append(sizes.pop())
        level = list(itertools.chain.from_iterable(level))
    return shape, level


def _convert(leaves: list, dtype: str) -> np.ndarray:
    # type() rather than isinstance: true is no int here.
    kinds = set(map(type, leaves))
    if dtype == "string":
        return np.array([_text(leaf) for leaf in leaves], np.bytes_)
    allowed: dict[str, set[type]] = {
        "bool": {bool},
        "float32": {int, float},
        "float64": {int, float},
    }
    if strange := kinds - allowed.get(dtype, {int}):
        names = ", ".join(sorted(kind.__name__ for kind in strange))
        raise BadRequestError(
            f"JSON Value of type {names} is not of expected type: {dtype}"
        )
    if dtype.startswith("float"):
        return _floats(leaves, np.dtype(dtype))
    if dtype != "bool":
        limits = np.iinfo(dtype)
        for leaf in (min(leaves, default=0), max(leaves, default=0)):
            if not limits.min <= leaf <= limits.max:
                raise BadRequestError(
                    f"JSON Value: {leaf} is not of expected type: {dtype}"
                )
    return np.array(leaves, dtype)


def _floats(leaves: list, dtype: np.dtype) -> np.ndarray:
    exact = 2 ** (np.finfo(dtype).nmant + 1) - 1
    for leaf in leaves:
        if type(leaf) is int and abs(leaf) > exact:
            raise BadRequestError(
                f"Cannot convert JSON value to {dtype} without loss of precision"
            )
    with np.errstate(over="ignore"):
        array = np.array(leaves, np.float64).astype(dtype)
    if not np.isfinite(array).all():  # 1e999 is read as infinity
        raise BadRequestError(
            f"Cannot convert JSON value to {dtype} without loss of precision: too large"
        )
    return array


def _text(leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode()
    try:
        return base64.b64decode(leaf["b64"], validate=True)
    except (TypeError, KeyError, ValueError, binascii.Error):
        raise BadRequestError(
            "expected a string, or base64 in an object of b64"
        ) from None


def _jsonable(name: str, array: np.ndarray) -> Any:
    if array.dtype.kind != "S":
        return array.tolist()
    binary = name.endswith("_bytes")
    flat = [
        {"b64": base64.b64encode(text).decode()} if binary else text.decode()
        for text in array.ravel().tolist()
    ]
    # numpy nests the texts again in the array's shape.
    return np.array(flat, object).reshape(array.shape).tolist()
