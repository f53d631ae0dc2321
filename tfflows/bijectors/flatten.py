"""Flattens events of any shape to vectors."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import no_log_det


@keras.saving.register_keras_serializable("tfflows")
class Flatten(FlowStep):
    """Flattens data events of any shape to latent vectors [D], row-major.

      forward:          x = reshape(z, event)
      forward log-det:  0
      inverse:          z = reshape(x, [D])
      inverse log-det:  0

    Args:
      **kwargs: `event_ndims`, `name`, `dtype` of `FlowStep`.
    """

    shape_preserving = False

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape([math.prod(shape)])

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape(self.data_event_shape)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reshape(z, (-1, *self.data_event_shape)), no_log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reshape(x, (-1, *self.latent_event_shape)), no_log_det(x)
