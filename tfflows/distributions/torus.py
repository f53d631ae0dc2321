"""A uniform base of angles, alone or beside standard normals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.angles import (
    check_circular,
    circular_flags,
    half_period,
    in_period,
)
from tfflows.backend.random import Seeds
from tfflows.distributions.row_distribution import RowDistribution


@keras.saving.register_keras_serializable("tfflows")
class UniformTorus(RowDistribution):
    """Uniform angles in [-pi, pi): log p(z) = -D ln 2 pi, in nats; -inf outside.

    Elements that are no angles, if there are any, are standard normal.

    The temperature of draws does not change angles: it raises densities to a power,
    and a uniform one stays what it is.

    Args:
      event_shape: Shape of one event, or its size.
      circular: Which elements along the last axis are angles: True for all, or a
        sequence of True and False.
      dtype: float32 or float64.
      name: Name of the distribution.

    Raises:
      ValueError: If no element is an angle, or there is another number of flags.
    """

    knows_its_support = True
    has_bounded_support = True

    def __init__(
        self,
        event_shape: int | Sequence[int],
        circular: Any = True,
        dtype: Any = tf.float32,
        name: str | None = None,
    ) -> None:
        self._circular = check_circular(circular)
        super().__init__(event_shape, dtype, name, circular=self._circular)
        shape = self._shape.as_list()
        flags = circular_flags(self._circular, shape[-1], self.name)
        self._angles = np.broadcast_to(flags, shape).ravel()

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        normal = -0.5 * (tf.square(flat) + math.log(2.0 * math.pi))
        uniform = tf.constant(-math.log(2.0 * math.pi), flat.dtype)
        log_prob = tf.reduce_sum(tf.where(self._angles, uniform, normal), axis=-1)
        inside = tf.reduce_all(in_period(flat) | ~self._angles, axis=-1)
        return tf.where(inside, log_prob, tf.constant(-math.inf, flat.dtype))

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        uniform = random.uniform_rows(seeds, count, self.dtype)
        angles = half_period(self.dtype) * (2.0 * uniform - 1.0)
        return tf.where(self._angles, angles, tf.math.ndtri(uniform))

    def location_rows(self, seeds: Seeds) -> tf.Tensor:
        """Returns what the temperature leaves as it is: drawn angles, and zeros."""
        rows = self._rows(seeds, self._angles.size)
        rows = tf.where(self._angles, rows, tf.zeros_like(rows))
        return tf.reshape(rows, (-1, *self._shape))

    def _entropy(self) -> tf.Tensor:
        angle, normal = math.log(2.0 * math.pi), 0.5 * math.log(2.0 * math.pi * math.e)
        return tf.constant(np.where(self._angles, angle, normal).sum(), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "circular": self._circular}
