"""Planar flows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.amortizable import AmortizableStep, Parameter
from tfflows.bijectors.root_finding import increasing_root
from tfflows.bijectors.slopes import gentle_activation, value_and_slope

# How far w.u_hat stays above -1, so that a step also inverts in float32.
_MARGIN = 1e-4


@keras.saving.register_keras_serializable("tfflows")
class Planar(AmortizableStep):
    """Stretches space along u, by an amount that depends only on w.z.

    With a = w.z + b, h an activation with 0 <= h' <= 1, and u_hat the vector u moved
    along w so that w.u_hat > -1, which makes w.z -> w.x increase:

      forward:          x = z + u_hat h(a)
      forward log-det:  ln(1 + h'(a) w.u_hat)
      inverse:          z = x - u_hat h(a),  a the root of a - b + w.u_hat h(a) = w.x
      inverse log-det:  -ln(1 + h'(a) w.u_hat)

      u_hat = u + (m(w.u) - w.u) w / ||w||^2,  m(s) = softplus(s + ln(e - 1)) - 1

    (m is scaled to stay 1e-4 above -1.) m(0) = 0 makes the step start as the identity,
    at u = 0, and keeps u_hat bounded as w -> 0; at w = 0, u_hat = u. A safeguarded
    Newton iteration finds the root, which has implicit gradients.

    Source: Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015,
    arXiv 1505.05770, equations 10 to 12 and appendix A.1 (there without ln(e - 1)).

    Args:
      activation: Name of a Keras activation, or an element-wise function.
      context_dim: As in `AmortizableStep`: None for weights, or the size of a context
        from which u, w and b follow for each example.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If the activation's slope leaves [0, 1]; on `build`, if events are no
        vectors.
    """

    def __init__(
        self,
        activation: Any = "tanh",
        *,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context_dim=context_dim, **kwargs)
        self.activation = gentle_activation(activation)

    def _parameter_table(self, size: int) -> dict[str, Parameter]:
        spread = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(size))
        return {
            "u": Parameter((size,)),
            "w": Parameter((size,), spread),
            "b": Parameter(()),
        }

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        u_hat, w, b, stretch = self._constrained(context)
        value, slope = value_and_slope(self.activation, _dot(w, z) + b)
        return z + u_hat * value[:, tf.newaxis], tf.math.log1p(slope * stretch)

    # A VAE's training step takes 0.92 of the CPU time with it
    # (`benchmarks/special_cases.py planar`). Amortised steps gain nothing.
    def _forward_of_repeats(
        self, stacks: Sequence[tf.Tensor], z: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the K steps of a `Repeated` from their stacked weights, last first.

        w_k.z_k is w_k.z plus a term w_k.u_hat_j h_j of each earlier step j. The
        products of all steps are computed at once, and only [B, K] numbers step by
        step.
        """
        weights = [stack[tf.newaxis] for stack in stacks]
        params = dict(zip(self._table, weights, strict=True))
        u_hat, w, b, stretch = self._constrain(params)
        seen = tf.matmul(z, w[0], transpose_b=True) + b
        effects = tf.matmul(u_hat, w, transpose_b=True)
        inputs, values = [], []
        for k in reversed(range(stacks[0].shape[0])):
            inputs.append(seen[:, k])
            values.append(self.activation(inputs[-1]))
            seen += values[-1][:, tf.newaxis] * effects[:, k]
        value, a = [tf.stack(rows[::-1], axis=1) for rows in (values, inputs)]
        slope = value_and_slope(self.activation, a)[1]
        log_det = tf.reduce_sum(tf.math.log1p(slope * stretch), axis=1)
        return z + tf.matmul(value, u_hat[0]), log_det

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        u_hat, w, b, stretch = self._constrained(context)
        a = self._root(_dot(w, x) + b, stretch)
        value, slope = value_and_slope(self.activation, a)
        return x - u_hat * value[:, tf.newaxis], -tf.math.log1p(slope * stretch)

    def _root(self, target: tf.Tensor, stretch: tf.Tensor) -> tf.Tensor:
        """Returns the a with a + stretch h(a) = target."""

        def function(a: tf.Tensor, stretch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            value, slope = value_and_slope(self.activation, a)
            return a + stretch * value, 1.0 + stretch * slope

        # The slope is between 1 and 1 + stretch, which bounds the distance to the root.
        excess = function(target, stretch)[0] - target
        ends = target - excess, target - excess / (1.0 + stretch)
        return increasing_root(
            function, target, [stretch], tf.minimum(*ends), tf.maximum(*ends)
        )

    def _constrained(self, context: Any) -> tuple[tf.Tensor, ...]:
        """Returns u_hat and w `[B or 1, D]`, b and w.u_hat `[B or 1]`."""
        return self._constrain(self._parameter_values(context))

    def _constrain(self, params: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        """Returns u_hat and w `[..., D]`, b and w.u_hat `[...]`."""
        u, w, b = params["u"], params["w"], params["b"]
        along = _dot(w, u)
        stretch = (1.0 - _MARGIN) * _shifted_softplus(along)
        squared = _dot(w, w)
        norm = tf.sqrt(tf.where(squared > 0.0, squared, 1.0))
        # Divide twice, so that gradients do not overflow if w is tiny.
        push = tf.where(squared > 0.0, (stretch - along) / norm / norm, 0.0)
        return u + push[..., tf.newaxis] * w, w, b, stretch

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


def _dot(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(left * right, axis=-1)


def _shifted_softplus(s: tf.Tensor) -> tf.Tensor:
    """Computes softplus(s + ln(e - 1)) - 1, without cancellation near s = 0."""
    near = tf.math.log1p(-math.expm1(-1.0) * tf.math.expm1(tf.minimum(s, 1.0)))
    far = tf.math.softplus(s + math.log(math.expm1(1.0))) - 1.0
    return tf.where(s < 1.0, near, far)
