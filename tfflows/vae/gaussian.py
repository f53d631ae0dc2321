"""Diagonal Gaussians over latents, and the heads that give their parameters."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count
from tfflows.backend.random import Seeds
from tfflows.bijectors.shapes import at_least_single


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """N(mean, diag(exp(log_variance))) of each row, as the base of a density.

    Args:
      mean: `[B, D]`, or `[1, D]` for all rows.
      log_variance: Likewise.
    """

    mean: tf.Tensor
    log_variance: tf.Tensor
    has_bounded_support = False

    @classmethod
    def standard(cls, size: int, dtype: tf.DType) -> Gaussian:
        """Returns N(0, I) for vectors of the given size."""
        zeros = tf.zeros([1, size], dtype)
        return cls(zeros, zeros)

    def log_prob(self, z: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Returns log-densities `[B]` of `[B, D]`, in nats; ignores the context."""
        scaled = tf.square(z - self.mean) * tf.exp(-self.log_variance)
        terms = scaled + self.log_variance + math.log(2 * math.pi)
        return -0.5 * tf.reduce_sum(terms, axis=-1)

    def sample_rows(
        self, seeds: Seeds, temperature: Any = 1.0, context: Any = None
    ) -> tf.Tensor:
        """Draws `[B, D]`, row i from seed row i.

        Args:
          seeds: int32 `[B, 2]`.
          temperature: `[B]` or one; multiplies the deviation from the mean.
          context: Ignored.
        """
        noise = random.normal_rows(seeds, self.mean.shape[-1], self.mean.dtype)
        noise *= tf.reshape(tf.cast(temperature, noise.dtype), (-1, 1))
        return self.mean + tf.exp(0.5 * self.log_variance) * noise

    def kl_to_standard(self) -> tf.Tensor:
        """Returns KL(this || N(0, I)) `[B]`, in nats."""
        log_variance = self.log_variance
        terms = tf.square(self.mean) + tf.math.expm1(log_variance) - log_variance
        return 0.5 * tf.reduce_sum(terms, axis=-1)


@keras.saving.register_keras_serializable("tfflows")
class GaussianHeads(keras.layers.Layer):
    """Mean and log-variance of a diagonal Gaussian from features.

    Args:
      latent_dim: D.
      **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.latent_dim = check_count("latent_dim", latent_dim)

    def build(self, features_shape: Any) -> None:
        """Creates the two dense layers."""
        # Variances and log-densities need the variable dtype's precision.
        dtype = at_least_single(self.variable_dtype).name
        self.mean_head, self.log_variance_head = [
            keras.layers.Dense(self.latent_dim, dtype=dtype, name=name)
            for name in ("mean", "log_variance")
        ]
        for head in (self.mean_head, self.log_variance_head):
            head.build(tuple(features_shape))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Returns the shapes of mean and log_variance, for Keras' `summary`."""
        return (None, self.latent_dim)

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps `[B, F]` to mean and log_variance, `[B, D]` each."""
        return self.mean_head(features), self.log_variance_head(features)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "latent_dim": self.latent_dim}
