"""Casts inputs to a signature's dtypes, and cuts large requests into chunks."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tfflows.export.c_api import Signature, TensorInfo

Arrays = dict[str, np.ndarray]

_INT32 = np.iinfo(np.int32)


def cast_inputs(inputs: Mapping[str, Any], signature: Signature) -> Arrays:
    """Returns the inputs as arrays of the declared dtypes.

    Raises:
      ValueError: If names differ from the signature's, or its dtypes cannot hold values
        (fractions for integers, 256 for uint8, NaN).
    """
    if inputs.keys() != signature.inputs.keys():
        raise ValueError(
            f"expected the inputs {sorted(signature.inputs)}, got {sorted(inputs)}"
        )
    return {
        name: _cast(name, value, signature.inputs[name])
        for name, value in inputs.items()
    }


def is_batched(signature: Signature) -> bool:
    """Returns whether every input has a batch axis, so that rows can be sent apart."""
    shapes = [info.shape for info in signature.inputs.values()]
    return all(shape is not None and shape[:1] == (-1,) for shape in shapes)


def chunks(inputs: Arrays, size: int) -> Iterator[Arrays]:
    """Yields the inputs `size` rows at a time.

    Raises:
      ValueError: If there are no rows, or inputs have different numbers of rows.
    """
    lengths = {name: len(array) for name, array in inputs.items()}
    if len(set(lengths.values())) > 1 or not min(lengths.values()):
        raise ValueError(f"expected as many rows in each input, 1 or more: {lengths}")
    for start in range(0, max(lengths.values()), size):
        yield {name: array[start : start + size] for name, array in inputs.items()}


def seed_rows(seed: int | np.ndarray | None, rows: int) -> np.ndarray:
    """Returns seeds int32 `[rows, 2]`, which do not depend on the chunks.

    Args:
      seed: An int (row i gets (seed, i)), None for a new int, or seeds `[rows, 2]`.
      rows: Number of rows.

    Raises:
      ValueError: If the seed is no int32 or has another shape.
    """
    if seed is None:
        seed = secrets.randbelow(2**32) + int(_INT32.min)
    if isinstance(seed, int | np.integer):
        if not _INT32.min <= seed <= _INT32.max:
            raise ValueError(f"expected a seed that fits into int32, got {seed}")
        return np.stack([np.full(rows, seed), np.arange(rows)], axis=1).astype(np.int32)
    seeds = np.asarray(seed)
    if seeds.shape != (rows, 2):
        raise ValueError(
            f"expected an int or a seed for each row, [{rows}, 2], got {seeds.shape}"
        )
    return seeds


def _cast(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    array = np.asarray(value)
    if info.dtype == "string":
        return array.astype(np.bytes_)
    dtype = np.dtype(info.dtype)
    kind = array.dtype.kind
    fits = kind == "b" if dtype.kind == "b" else kind in "iuf"
    if not fits:
        raise ValueError(f"expected {info.dtype} as {name}, got {array.dtype}")
    with np.errstate(invalid="ignore", over="ignore"):
        cast = array.astype(dtype)
        lost = ~np.isfinite(cast) if dtype.kind == "f" else cast != array
    if np.any(lost):
        where = tuple(int(index[0]) for index in np.nonzero(np.atleast_1d(lost)))
        raise ValueError(
            f"expected values of {name} that {info.dtype} holds, finite ones, got "
            f"{np.atleast_1d(array)[where]} at {list(where)}"
        )
    return _with_rank(name, cast, info)


def _with_rank(name: str, array: np.ndarray, info: TensorInfo) -> np.ndarray:
    if info.shape is None:
        return array
    fits = array.ndim == len(info.shape) and all(
        wanted in (-1, got) for wanted, got in zip(info.shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ["B" if size == -1 else size for size in info.shape]
        raise ValueError(
            f"expected {name} of shape {wanted}, got {list(array.shape)} "
            f"({math.prod(array.shape)} values)"
        )
    return array
