"""Checks the arguments of `sample` and returns tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.checks import require
from tfflows.backend.random import RowsOfSeed, Seeds
from tfflows.bijectors.shapes import as_float


def checked_number(num_samples: Any) -> tf.Tensor:
    """Returns the number as int32.

    Raises:
      ValueError: If it is not one integer >= 0.
    """
    if type(num_samples) is int and 0 <= num_samples < 2**31:  # the fast way
        return tf.constant(num_samples, tf.int32)
    number = None
    if isinstance(num_samples, int | np.integer | tf.Tensor):
        number = tf.convert_to_tensor(num_samples)
    if number is None or not number.dtype.is_integer or number.shape.rank != 0:
        raise ValueError(f"expected num_samples as one integer, got {num_samples!r}")
    with require(number >= 0, "expected num_samples >= 0, got a negative number"):
        # tf.identity, because a cast of int32 to int32 is no op to control.
        return tf.identity(tf.cast(number, tf.int32))


def seeds_of_numbers(num_samples: Any, start: Any, seed: Any) -> RowsOfSeed:
    """Returns what draws the samples `start` to `start + num_samples - 1` of a seed."""
    return RowsOfSeed(random.as_seed(seed), checked_number(num_samples), start)


def checked_seeds(seeds: Any) -> Seeds:
    """Returns seed rows int32 `[N, 2]`; ValueError if the shape is another one."""
    if isinstance(seeds, RowsOfSeed):
        return seeds
    seeds = tf.convert_to_tensor(seeds)
    if not seeds.shape.is_compatible_with((None, 2)):
        raise ValueError(f"expected seeds [N, 2], got shape {tuple(seeds.shape)}")
    return seeds


def temperature_rows(
    temperature: Any,
    num_samples: tf.Tensor,
    dtype: tf.DType,
    what: str = "temperature",
) -> tf.Tensor:
    """Returns one temperature per sample `[N]`, given one for all or one for each.

    Args:
      temperature: A number >= 0, or one for each sample.
      num_samples: N.
      dtype: Of the result.
      what: What the numbers are, for errors.

    Raises:
      ValueError: If one is negative or not finite, or their number is wrong.
    """
    temperature = as_float(temperature, dtype, what)
    _check_rows(temperature, num_samples, what)
    if temperature.shape.rank == 1:  # one row for many would broadcast
        each = tf.equal(tf.size(temperature), num_samples)
        with require(each, f"expected one {what}, or one for each sample"):
            temperature = tf.identity(temperature)
    valid = tf.reduce_all((temperature >= 0) & tf.math.is_finite(temperature))
    with require(valid, f"expected a finite {what} >= 0"):
        return tf.broadcast_to(temperature, [num_samples])


def _check_rows(temperature: tf.Tensor, num_samples: tf.Tensor, what: str) -> None:
    rows = tf.TensorShape([tf.get_static_value(num_samples)])
    if temperature.shape.rank != 0 and not temperature.shape.is_compatible_with(rows):
        raise ValueError(
            f"expected one {what}, or one for each of {rows[0]} samples, got "
            f"shape {tuple(temperature.shape)}"
        )
