"""Angles: their period [-pi, pi), and what a network sees of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

Circular: TypeAlias = "bool | list[bool]"

# float32's pi is above pi: an angle below pi may be rounded to it, and the arc tangent
# of float32 returns it.
_MOST = float(np.float32(np.pi))


def half_period(dtype: Any) -> np.floating:
    """Returns the largest number of a dtype below pi, for angles in [-pi, pi)."""
    real = tf.as_dtype(dtype).as_numpy_dtype
    pi = real(np.pi)
    return np.nextafter(pi, real(0)) if float(pi) > np.pi else pi


def wrapped(angle: tf.Tensor) -> tf.Tensor:
    """Adds multiples of the period to reach [-pi, pi); its slope is 1 everywhere."""
    half = half_period(angle.dtype)
    turns = tf.floor((angle + half) / (2 * half))
    # Rounding may leave the period by a little.
    last = np.nextafter(half, np.zeros_like(half))
    return tf.clip_by_value(angle - 2 * half * turns, -half, last)


def in_period(angle: tf.Tensor) -> tf.Tensor:
    """Returns which elements lie in the period, its end pi included."""
    return tf.abs(angle) <= _MOST


def as_seen(value: tf.Tensor, circular: np.ndarray | None, axis: int = -1) -> tf.Tensor:
    """Returns what a network sees: cosines, then sines of angles, values of others.

    Args:
      value: `[..., n, ...]`.
      circular: Which of the n elements are angles, `[n]`; None: none.
      axis: The axis of size n, 0 or -1.

    Returns:
      The same with cosines for angles, followed by their sines along the axis.
    """
    if circular is None or not circular.any():
        return value
    if circular.all():
        return tf.concat([tf.cos(value), tf.sin(value)], axis=axis)
    columns = circular[:, np.newaxis] if axis == 0 else circular
    first = tf.where(columns, tf.cos(value), value)
    angles = tf.gather(value, np.flatnonzero(circular), axis=axis)
    return tf.concat([first, tf.sin(angles)], axis=axis)


def check_circular(circular: Any, least: int = 1) -> Circular:
    """Returns which elements are angles: True for all, or a list of True and False.

    Args:
      circular: What was given.
      least: The least number of angles, 0 or 1.

    Raises:
      ValueError: For anything else.
    """
    if isinstance(circular, bool | np.bool_) and circular:
        return True
    if isinstance(circular, Iterable) and not isinstance(circular, str | bytes | dict):
        flags = list(circular)
        is_flags = all(isinstance(flag, bool | np.bool_) for flag in flags)
        if is_flags and sum(flags) >= least:
            return [bool(flag) for flag in flags]
    raise ValueError(
        "expected circular=True, or a True or False for each element"
        f"{', at least one of them True' if least else ''}, got {circular!r}"
    )


def circular_flags(circular: Circular, size: int, name: str) -> np.ndarray:
    """Returns which of `size` elements are angles, boolean `[size]`.

    Args:
      circular: As `check_circular` returns it.
      size: Number of elements along an event's last axis.
      name: Who asks, for the error.

    Raises:
      ValueError: If there is another number of flags.
    """
    if circular is True:
        return np.ones(size, bool)
    flags = np.array(circular, bool)
    if flags.size != size:
        raise ValueError(
            f"{name}: expected circular with one of True and False for each of {size} "
            f"elements, got {flags.size}: {circular}"
        )
    return flags
