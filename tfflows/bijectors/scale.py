"""A trained diagonal scale."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.weight_kinds import mark_elementwise
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import event_shape


@keras.saving.register_keras_serializable("tfflows")
class Scale(FlowStep):
    """A trained diagonal scale, one log_scale s per element of the event.

      forward:          x = z * exp(s)
      forward log-det:  sum s
      inverse:          z = x * exp(-s)
      inverse log-det:  -sum s

    Source: Dinh, Krueger and Bengio, "NICE: Non-linear Independent Components
    Estimation", 2014, arXiv 1410.8516, section 3.3 (there z = x exp(s)).

    Args:
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.
    """

    def build(self, data_shape: Any) -> None:
        """Creates log_scale, of the event's shape."""
        self.log_scale = mark_elementwise(
            self.add_weight(
                shape=event_shape(data_shape, self.event_ndims, self.name),
                initializer="zeros",
                name="log_scale",
            )
        )

    def _log_det(self, value: tf.Tensor) -> tf.Tensor:
        return tf.fill(tf.shape(value)[:1], tf.reduce_sum(self.log_scale))

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return z * tf.exp(self.log_scale), self._log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return x * tf.exp(-self.log_scale), -self._log_det(x)
