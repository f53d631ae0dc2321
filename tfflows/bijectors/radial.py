"""Radial flows."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.amortizable import AmortizableStep, Parameter

# Smallest alpha, and how far beta / alpha stays above -1.
_MARGIN = 1e-4
_AT_ONE = math.log(math.expm1(1.0))


@keras.saving.register_keras_serializable("tfflows")
class Radial(AmortizableStep):
    """Contracts or expands space around a point c.

    With r = ||z - c||, s = ||x - c||, alpha > 0 and beta > -alpha:

      forward:          x = z + t (z - c),  t = beta / (alpha + r)
      forward log-det:  (D - 1) ln(1 + t) + ln(1 + alpha beta / (alpha + r)^2)
      inverse:          z = c + (x - c) / (1 + t),  r the positive root of
                        r^2 + (alpha + beta - s) r - alpha s = 0
      inverse log-det:  -(D - 1) ln(1 + t) - ln(1 + alpha beta / (alpha + r)^2)

    s = r (1 + t) is a quadratic equation in r, so the inverse is exact. alpha =
    softplus(a + ln(e - 1)), beta = alpha (softplus(b + ln(e - 1)) - 1), each with a
    margin of 1e-4: the step starts as the identity, at b = 0.

    Source: Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015,
    arXiv 1505.05770, equations 13 and 14 and appendix A.2.

    Args:
      context_dim: As in `AmortizableStep`: None for weights, or the size of a context
        from which c, a and b follow for each example.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: On `build`, if events are no vectors.
    """

    def _parameter_table(self, size: int) -> dict[str, Parameter]:
        spread = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(size))
        return {
            "center": Parameter((size,), spread),
            "raw_alpha": Parameter(()),
            "raw_beta": Parameter(()),
        }

    def _constrained(self, context: Any) -> tuple[tf.Tensor, ...]:
        """Returns the center `[B or 1, D]`, alpha and beta `[B or 1]`."""
        params = self._parameter_values(context)
        alpha, ratio = [
            _MARGIN + (1.0 - _MARGIN) * tf.math.softplus(params[name] + _AT_ONE)
            for name in ("raw_alpha", "raw_beta")
        ]
        return params["center"], alpha, alpha * (ratio - 1.0)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        center, alpha, beta = self._constrained(context)
        offset = z - center
        factor, log_det = self._stretch(_norm(offset), alpha, beta)
        return z + factor[:, tf.newaxis] * offset, log_det

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        center, alpha, beta = self._constrained(context)
        offset = x - center
        radius = _positive_root(_norm(offset), alpha, beta)
        factor, log_det = self._stretch(radius, alpha, beta)
        return center + offset / (1.0 + factor)[:, tf.newaxis], -log_det

    def _stretch(
        self, radius: tf.Tensor, alpha: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns t and the forward log-det, both `[B]`."""
        factor = beta / (alpha + radius)
        across = (self.data_event_shape[0] - 1) * tf.math.log1p(factor)
        return factor, across + tf.math.log1p(factor * alpha / (alpha + radius))


def _norm(offset: tf.Tensor) -> tf.Tensor:
    """Returns ||offset||, with gradient 0 at 0."""
    squared = tf.reduce_sum(tf.square(offset), axis=-1)
    safe = tf.where(squared > 0.0, squared, 1.0)
    return tf.where(squared > 0.0, tf.sqrt(safe), 0.0)


def _positive_root(s: tf.Tensor, alpha: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    half = 0.5 * (alpha + beta - s)
    root = tf.sqrt(tf.square(half) + alpha * s)
    # Use the form of the root that adds numbers of the same sign.
    is_sum = half > 0.0
    safe = tf.where(is_sum, root + half, 1.0)
    return tf.where(is_sum, alpha * s / safe, root - half)
