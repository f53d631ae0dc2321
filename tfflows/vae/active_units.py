"""How many latents of a VAE carry information."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf


class ActiveUnits(keras.metrics.Metric):
    """Counts latents whose posterior mean varies over the data (Var > 0.01).

    Source: Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2015,
    arXiv 1509.00519, appendix C.

    Args:
      latent_dim: Number of latents.
      threshold: Minimum variance over the data, in units of the prior's variance.
      name: Name of the metric.
      **kwargs: Arguments of `keras.metrics.Metric`.
    """

    def __init__(
        self,
        latent_dim: int,
        threshold: float = 0.01,
        name: str = "active_units",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        shapes = {"count": (), "total": (latent_dim,), "squares": (latent_dim,)}
        for sum_name, shape in shapes.items():
            variable = self.add_variable(shape, initializer="zeros", name=sum_name)
            setattr(self, f"_{sum_name}", variable)

    def update_state(self, means: tf.Tensor, sample_weight: Any = None) -> None:
        """Adds posterior means `[B, latent_dim]`, weighted by `[B]`."""
        means = tf.cast(means, self.dtype)
        if sample_weight is None:
            weight = tf.ones_like(means[:, 0])
        else:
            weight = tf.cast(sample_weight, self.dtype)
        self._count.assign_add(tf.reduce_sum(weight))
        weight = weight[:, tf.newaxis]
        self._total.assign_add(tf.reduce_sum(weight * means, axis=0))
        self._squares.assign_add(tf.reduce_sum(weight * tf.square(means), axis=0))

    def result(self) -> tf.Tensor:
        """Returns the number of active units as a float; NaN before any update."""
        count = tf.convert_to_tensor(self._count)
        mean = tf.convert_to_tensor(self._total) / count
        variance = tf.convert_to_tensor(self._squares) / count - tf.square(mean)
        active = tf.cast(variance > self.threshold, self.dtype)
        nan = tf.constant(math.nan, self.dtype)
        return tf.reduce_sum(tf.where(tf.math.is_nan(variance), nan, active))
