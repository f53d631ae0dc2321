"""Diagonal Gaussians over latents, and the heads that give their parameters."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count
from tfflows.bijectors.shapes import at_least_single


def gaussian_log_prob(
    z: tf.Tensor, mean: Any = 0.0, log_variance: Any = 0.0
) -> tf.Tensor:
    """Ln N(z; mean, diag(exp(log_variance))) `[B]` of `[B, D]`, in nats."""
    log_variance = tf.convert_to_tensor(log_variance, z.dtype)
    scaled = tf.square(z - mean) * tf.exp(-log_variance)
    return -0.5 * tf.reduce_sum(scaled + log_variance + math.log(2 * math.pi), axis=-1)


def gaussian_kl(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, diag(exp(log_variance))) || N(0, I)) `[B]`, in nats."""
    terms = tf.square(mean) + tf.math.expm1(log_variance) - log_variance
    return 0.5 * tf.reduce_sum(terms, axis=-1)


@keras.saving.register_keras_serializable("tfflows")
class GaussianHeads(keras.layers.Layer):
    """Mean and log-variance of a diagonal Gaussian from features.

    Args:
      latent_dim: D.
      **kwargs: Those of `keras.layers.Layer`.
    """

    def __init__(self, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.latent_dim = check_count("latent_dim", latent_dim)

    def build(self, features_shape: Any) -> None:
        """Creates the two dense layers."""
        # Variances and log-densities need the precision.
        dtype = at_least_single(self.variable_dtype).name
        self.mean_head, self.log_variance_head = [
            keras.layers.Dense(self.latent_dim, dtype=dtype, name=name)
            for name in ("mean", "log_variance")
        ]
        for head in (self.mean_head, self.log_variance_head):
            head.build(tuple(features_shape))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the mean and of log_variance, for Keras' `summary`."""
        return (None, self.latent_dim)

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`[B, F]` -> mean and log_variance `[B, D]`."""
        return self.mean_head(features), self.log_variance_head(features)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "latent_dim": self.latent_dim}


def draw_gaussian(
    mean: tf.Tensor, log_variance: tf.Tensor, seeds: tf.Tensor
) -> tf.Tensor:
    """A draw `[B, D]` of N(mean, diag(exp(log_variance))), row i from seed row i.

    Args:
      mean: `[B, D]`.
      log_variance: `[B, D]`.
      seeds: int32 `[B, 2]`.
    """
    noise = random.normal_rows(seeds, mean.shape[-1], mean.dtype)
    return mean + tf.exp(0.5 * log_variance) * noise
