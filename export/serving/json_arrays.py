"""Converts JSON values to arrays and back, as TensorFlow Serving does."""

from __future__ import annotations

import base64
import binascii
import itertools
from typing import Any

import numpy as np

from tfflows.export.c_api import TensorInfo

Arrays = dict[str, np.ndarray]

_MOST_AXES = 64  # of a numpy array
_NUMBERS: dict[str, set[type]] = {
    "bool": {bool},
    "float32": {int, float},
    "float64": {int, float},
}
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


class BadRequestError(ValueError):
    """An invalid request. The text is for the client."""


def to_array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    """Converts nested lists to an input, without loss of any number.

    Raises:
      BadRequestError: If they are no array of the input's dtype.
    """
    try:
        shape, leaves = _flatten(value)
        return _convert(leaves, info.dtype).reshape(shape)
    except BadRequestError as error:
        raise BadRequestError(f"input {name}: {error}") from None


def _flatten(value: Any) -> tuple[list[int], list]:
    """Returns the shape of nested lists, and their values."""
    shape: list[int] = []
    level = [value]
    while level and list in (kinds := set(map(type, level))):
        sizes = set(map(len, level)) if len(kinds) == 1 else set()
        if len(sizes) != 1:
            raise BadRequestError(
                f"Encountered list at unexpected size or level: {len(shape)}; expected "
                "lists of one length at each level"
            )
        if len(shape) == _MOST_AXES:
            raise BadRequestError(f"expected lists at most {_MOST_AXES} deep, got more")
        shape.append(sizes.pop())
        level = list(itertools.chain.from_iterable(level))
    return shape, level


def _convert(leaves: list, dtype: str) -> np.ndarray:
    if dtype == "string":
        return np.array([_text(leaf) for leaf in leaves], np.bytes_)
    if dtype not in _NUMBERS.keys() | _INTEGERS:
        raise BadRequestError(f"{dtype} has no form in JSON")
    # type() rather than isinstance: true is no int here.
    kinds = set(map(type, leaves))
    if strange := kinds - _NUMBERS.get(dtype, {int}):
        names = ", ".join(sorted(kind.__name__ for kind in strange))
        raise BadRequestError(
            f"JSON Value of type {names} is not of expected type: {dtype}"
        )
    if dtype.startswith("float"):
        return _floats(leaves, kinds, np.dtype(dtype))
    if dtype != "bool":
        limits = np.iinfo(dtype)
        for leaf in _extremes(leaves):
            if not limits.min <= leaf <= limits.max:
                raise BadRequestError(
                    f"JSON Value: {leaf} is not of expected type: {dtype}"
                )
    return np.array(leaves, dtype)


def _floats(leaves: list, kinds: set[type], dtype: np.dtype) -> np.ndarray:
    exact = 2 ** (np.finfo(dtype).nmant + 1) - 1
    whole = leaves if kinds <= {int} else [x for x in leaves if type(x) is int]
    if any(abs(leaf) > exact for leaf in _extremes(whole)):
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


def _extremes(leaves: list[int]) -> tuple[int, int]:
    return min(leaves, default=0), max(leaves, default=0)


def _text(leaf: Any) -> bytes:
    try:
        if isinstance(leaf, str):
            return leaf.encode()
        return base64.b64decode(leaf["b64"], validate=True)
    except (TypeError, KeyError, ValueError, binascii.Error):
        raise BadRequestError(
            "expected a string, or base64 in an object of b64"
        ) from None


def to_lists(name: str, array: np.ndarray) -> Any:
    """Converts an output to nested lists; binary (`..._bytes`) becomes base64."""
    if array.dtype.kind != "S":
        return array.tolist()
    binary = name.endswith("_bytes")
    flat = [
        {"b64": base64.b64encode(text).decode()} if binary else text.decode()
        for text in array.ravel().tolist()
    ]
    # numpy nests the texts again in the array's shape.
    return np.array(flat, object).reshape(array.shape).tolist()
