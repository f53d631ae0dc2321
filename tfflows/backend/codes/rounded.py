"""Laws of integers, by rounding, and draws of categories."""

from __future__ import annotations

import math

import tensorflow as tf


def log_bins(deviation: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Log-probabilities of integers under a rounded logistic.

    P(n) = F(n + 1/2) - F(n - 1/2), as a product that has no cancellation.

    Args:
      deviation: n less the location.
      scale: That of the logistic, above 0.
    """
    above, below = (deviation + 0.5) / scale, (deviation - 0.5) / scale
    width = tf.math.log(-tf.math.expm1(-1.0 / scale))
    return tf.math.log_sigmoid(above) + tf.math.log_sigmoid(-below) + width


def log_far_bins(deviation: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Log-probabilities of integers under a rounded Cauchy; see `log_bins`."""
    above, below = (deviation + 0.5) / scale, (deviation - 0.5) / scale
    angle = tf.math.atan2(1.0 / scale, 1.0 + above * below)
    return tf.math.log(angle) - tf.math.log(tf.constant(math.pi, angle.dtype))


def chosen(uniform: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Draws numbers 0 .. K - 1, `[B]`, in the dtype of the logits `[B, K]` or `[K]`.

    Args:
      uniform: `[B]`, in (0, 1).
      logits: Unnormalised.
    """
    below = tf.cumsum(tf.nn.softmax(logits), axis=-1)[..., :-1]
    above = tf.cast(uniform[:, tf.newaxis] > below, logits.dtype)
    return tf.reduce_sum(above, axis=-1)
