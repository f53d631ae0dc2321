"""Slices of a distribution's batch shape."""

from __future__ import annotations

import numbers
from typing import Any

import tensorflow as tf


def check_slices(slices: tuple[Any, ...], batch: tf.TensorShape, name: str) -> None:
    """Raises ValueError unless a tensor `[*batch]` has these slices.

    Args:
      slices: The content of the brackets.
      batch: The batch shape of a distribution.
      name: Name of the distribution.
    """
    places = [part for part in slices if part is not None and part is not Ellipsis]
    if not all(isinstance(part, slice) or _is_integer(part) for part in places):
        raise ValueError(
            f"{name}: expected integers, slices, tf.newaxis or ... in the brackets, "
            f"got {slices}; gather other rows from the contexts"
        )
    ellipses = sum(part is Ellipsis for part in slices)
    if len(places) > batch.rank or ellipses > 1:
        raise ValueError(
            f"{name}: expected slices of the batch shape {tuple(batch)}, got {slices}"
        )
    after = len(places)
    if ellipses:
        front = slices[: [part is Ellipsis for part in slices].index(True)]
        after = sum(part is not None for part in front)
    sizes = [*batch[:after], *batch[batch.rank - (len(places) - after) :]]
    for place, size in zip(places, sizes, strict=True):
        known = size is not None and isinstance(place, numbers.Integral)
        if known and not -size <= place < size:
            raise ValueError(
                f"{name}: expected integers inside of the batch shape {tuple(batch)}, "
                f"got {slices}"
            )


def _is_integer(part: Any) -> bool:
    if isinstance(part, tf.Tensor):
        return part.dtype.is_integer and part.shape.rank == 0
    return isinstance(part, numbers.Integral) and not isinstance(part, bool)
