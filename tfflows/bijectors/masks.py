"""Splits of an event into a part that conditions and a part that changes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_word


class Mask(Protocol):
    """A split of events of one shape, made by `make_mask`."""

    kept_shape: tuple[int, ...]
    changed_shape: tuple[int, ...]

    def split(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Splits `[B, *event]` into the kept part, which conditions, and the other."""

    def merge(self, kept: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
        """Inverts `split`."""

    def select(self, params: tf.Tensor) -> tf.Tensor:
        """Zeroes parameters of elements that must not change."""


class HalfMask:
    """Keeps the first half of the last axis, or with `reverse` the second."""

    def __init__(self, event: tuple[int, ...], reverse: bool) -> None:
        self._sizes = [event[-1] // 2, event[-1] - event[-1] // 2]
        self._order = slice(None, None, -1 if reverse else 1)
        self.kept_shape, self.changed_shape = [
            (*event[:-1], size) for size in self._sizes[self._order]
        ]

    def split(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Splits the last axis into two slices."""
        kept, changed = tf.split(value, self._sizes, axis=-1)[self._order]
        return kept, changed

    def merge(self, kept: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
        """Joins the two slices."""
        return tf.concat([kept, changed][self._order], axis=-1)

    def select(self, params: tf.Tensor) -> tf.Tensor:
        """Returns all parameters: every element of the changed part changes."""
        return params


class ColumnsMask:
    """Keeps the even columns of an image [H, W, C], or with `reverse` the odd ones.

    Both parts are images [H, W / 2, C]: a conditioner works on half of the pixels, and
    no parameters are made for the others.
    """

    def __init__(self, event: tuple[int, ...], reverse: bool) -> None:
        height, width, channels = event
        self._whole, self._pairs = event, (height, width // 2, 2 * channels)
        self._halves = HalfMask(self._pairs, reverse)
        part: tuple[int, ...] = (height, width // 2, channels)
        self.kept_shape = self.changed_shape = part

    def split(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes every second column."""
        return self._halves.split(tf.reshape(value, (-1, *self._pairs)))

    def merge(self, kept: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
        """Interleaves the columns."""
        return tf.reshape(self._halves.merge(kept, changed), (-1, *self._whole))

    def select(self, params: tf.Tensor) -> tf.Tensor:
        """Returns all parameters: every element of the changed part changes."""
        return params


class AlternatingMask:
    """Keeps the even positions of the last axis, or with `reverse` the odd ones."""

    def __init__(self, event: tuple[int, ...], reverse: bool) -> None:
        size = event[-1]
        self._odd_size = size % 2 == 1
        self._order = slice(None, None, -1 if reverse else 1)
        self.kept_shape, self.changed_shape = [
            (*event[:-1], part) for part in [size - size // 2, size // 2][self._order]
        ]

    def split(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes every second element."""
        kept, changed = [value[..., 0::2], value[..., 1::2]][self._order]
        return kept, changed

    def merge(self, kept: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
        """Interleaves the two parts with a reshape, whose gradient is no scatter."""
        even, odd = [kept, changed][self._order]
        if self._odd_size:
            odd = tf.concat([odd, even[..., :1]], axis=-1)  # dropped again below
        pairs = tf.stack([even, odd], axis=-1)
        shape = tf.concat([tf.shape(even)[:-1], [2 * even.shape[-1]]], axis=0)
        merged = tf.reshape(pairs, shape)
        return merged[..., :-1] if self._odd_size else merged

    def select(self, params: tf.Tensor) -> tf.Tensor:
        """Returns all parameters: every element of the changed part changes."""
        return params


class BinaryMask:
    """Keeps the elements for which an array is 1.

    Both parts have the event's full shape. The conditioner gets zeros in place of the
    changing elements, and zero parameters (the identity for every law) keep the others.
    """

    def __init__(self, mask: np.ndarray, num_params: int) -> None:
        self.kept_shape = self.changed_shape = mask.shape
        self._kept = mask.astype("float32")
        self._selected = np.concatenate([1.0 - self._kept] * num_params, axis=-1)

    def split(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the value with zeros for changing elements, and the whole value."""
        return value * tf.cast(self._kept, value.dtype), value

    def merge(self, kept: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
        """Returns the changed part, which already holds the kept elements."""
        return changed

    def select(self, params: tf.Tensor) -> tf.Tensor:
        """Zeroes the parameters of the kept elements."""
        return params * tf.cast(self._selected, params.dtype)


MASKS = ("half", "alternating", "checkerboard", "columns", "channel")
IMAGE_MASKS = ("checkerboard", "columns")


def check_mask(mask: Any) -> str | list[Any]:
    """Returns a mask as stored in a config: a name, or a nested list of 0 and 1.

    Raises:
      ValueError: If the name is unknown or values are not 0 or 1.
    """
    if isinstance(mask, str):
        return check_word("mask", mask, MASKS)
    array = np.asarray(mask)
    is_array = array.ndim > 0 and array.dtype.kind in "biuf"
    if not is_array or not np.isin(array, (0, 1)).all():
        raise ValueError(f"expected a mask of 0 and 1, got {array.tolist()}")
    return array.astype(int).tolist()


def make_mask(
    mask: str | list[Any], event: tuple[int, ...], reverse: bool, num_params: int
) -> Mask:
    """Returns the mask for an event shape.

    Args:
      mask: As `check_mask` returns it.
      event: The event's shape.
      reverse: Exchanges the kept and the changed part.
      num_params: Number of the law's parameters per element.

    Raises:
      ValueError: If one of the two parts would be empty, or columns are no pairs.
    """
    if mask in ("half", "channel", "alternating"):
        if event[-1] < 2:
            raise ValueError(
                f"expected events of 2 or more elements along the last axis for the "
                f"mask {mask!r}, got shape {event}; of one element an autoregressive "
                "flow gives the density (maf, or nsf with structure='autoregressive')"
            )
        split = AlternatingMask if mask == "alternating" else HalfMask
        return split(event, reverse)
    if mask == "columns":
        if event[1] % 2:
            raise ValueError(
                "expected images of an even width for the mask 'columns', got shape "
                f"{event}"
            )
        return ColumnsMask(event, reverse)
    if mask == "checkerboard":
        rows, columns, _ = np.indices(event)
        array = (rows + columns) % 2 == 0
    else:
        array = np.asarray(mask, dtype=bool)
    if array.shape != tuple(event) or array.all() or not array.any():
        raise ValueError(
            f"expected a mask of shape {tuple(event)} with both 0 and 1, got one of "
            f"shape {array.shape} with {int(array.sum())} ones"
        )
    return BinaryMask(~array if reverse else array, num_params)
