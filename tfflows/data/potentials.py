"""The test potentials of Rezende and Mohamed: p(z) proportional to exp(-U(z)).

Source: Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015,
arXiv 1505.05770, table 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# The quadrature of log_normalizer: the midpoints of a grid that the mass lies within.
_GRID_HALF_WIDTH, _GRID_POINTS = 8.0, 1000


class Potential:
    """An energy U on the plane; exp(-U) is a density up to its normalizer.

    U2 to U4 do not grow with z_1, so that exp(-U) has no integral. They carry a box
    penalty 0.5 (max(|z_1| - 4, 0) / 0.1)^2, and all figures are those of the sum.

    `unnormalized_log_prob(z)` is -U, the target of `tfflows.ReverseKL`.

    Args:
      name: Name of the potential.
      energy: Maps z_1 and z_2 `[...]` to U `[...]`.
      boxed: Whether the penalty is added.
    """

    def __init__(
        self,
        name: str,
        energy: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        boxed: bool,
    ) -> None:
        self.name = name
        self._energy = energy
        self.boxed = boxed

        # A function and no method, so that Keras can save it as a model's target.
        @keras.saving.register_keras_serializable("tfflows", f"{name}_log_prob")
        def unnormalized_log_prob(z: Any) -> tf.Tensor:
            """-U `[...]`, for `tfflows.ReverseKL`; takes what `energy` takes."""
            return -self.energy(z)

        self.unnormalized_log_prob = unnormalized_log_prob

    def energy(self, z: Any) -> tf.Tensor:
        """U, with the penalty, in nats.

        Args:
          z: Points `[..., 2]`; float32, or the float dtype of a tensor or array.

        Returns:
          `[...]`.

        Raises:
          ValueError: For points of another shape or without a float dtype.
        """
        z = tf.convert_to_tensor(z)
        if z.shape.rank is None or z.shape[-1:] != (2,) or not z.dtype.is_floating:
            raise ValueError(
                f"expected float points of shape (..., 2), got {z.dtype.name} of shape "
                f"{tuple(z.shape)}"
            )
        energy = self._energy(z[..., 0], z[..., 1])
        if not self.boxed:
            return energy
        outside = tf.maximum(tf.abs(z[..., 0]) - 4.0, 0.0)
        return energy + 0.5 * tf.square(outside / 0.1)

    @functools.cached_property
    def log_normalizer(self) -> float:
        """Ln of the integral of exp(-U), by quadrature in float64, to 1e-6."""
        step = 2.0 * _GRID_HALF_WIDTH / _GRID_POINTS
        axis = -_GRID_HALF_WIDTH + step * (np.arange(_GRID_POINTS) + 0.5)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1)
        with tf.init_scope():
            total = tf.reduce_sum(tf.exp(-self.energy(grid))).numpy()
        return math.log(total * step**2)


def _bump(value: tf.Tensor, scale: float) -> tf.Tensor:
    """-(value / scale)^2 / 2."""
    return -0.5 * tf.square(value / scale)


def _log_sum(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return tf.reduce_logsumexp(tf.stack([first, second]), axis=0)


def _wave(z1: tf.Tensor) -> tf.Tensor:
    """w_1 = sin(2 pi z_1 / 4)."""
    return tf.sin(0.5 * math.pi * z1)


def _ring(z1: tf.Tensor, z2: tf.Tensor) -> tf.Tensor:
    radius = tf.sqrt(tf.square(z1) + tf.square(z2) + 1e-12)  # a gradient at 0
    return -_bump(radius - 2.0, 0.4) - _log_sum(_bump(z1 - 2, 0.6), _bump(z1 + 2, 0.6))


def _sine(z1: tf.Tensor, z2: tf.Tensor) -> tf.Tensor:
    return -_bump(z2 - _wave(z1), 0.4)


def _split_by_bump(z1: tf.Tensor, z2: tf.Tensor) -> tf.Tensor:
    gap = 3.0 * tf.exp(_bump(z1 - 1.0, 0.6))
    offset = z2 - _wave(z1)
    return -_log_sum(_bump(offset, 0.35), _bump(offset + gap, 0.35))


def _split_by_step(z1: tf.Tensor, z2: tf.Tensor) -> tf.Tensor:
    gap = 3.0 * tf.sigmoid((z1 - 1.0) / 0.3)
    offset = z2 - _wave(z1)
    return -_log_sum(_bump(offset, 0.4), _bump(offset + gap, 0.35))


U1 = Potential("U1", _ring, boxed=False)
U2 = Potential("U2", _sine, boxed=True)
U3 = Potential("U3", _split_by_bump, boxed=True)
U4 = Potential("U4", _split_by_step, boxed=True)

POTENTIALS: dict[str, Potential] = {u.name: u for u in (U1, U2, U3, U4)}
