"""Moves pixels of small blocks into channels."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import no_log_det, only_event_ndims


@keras.saving.register_keras_serializable("tfflows")
class Squeeze(FlowStep):
    """Turns each block of f x f pixels into one pixel with f^2 C channels.

    With i, j the pixel and a, b < f the place in its block (channels in the order
    a, b, c, as in `tf.nn.space_to_depth`):

      forward:          x[f i + a, f j + b, c] = z[i, j, (a f + b) C + c]
      forward log-det:  0
      inverse:          z[i, j, (a f + b) C + c] = x[f i + a, f j + b, c]
      inverse log-det:  0

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    section 3.6.

    Args:
      factor: f, the side of a block.
      **kwargs: `name`, `dtype` of `FlowStep`; an event is [H, W, C].

    Raises:
      ValueError: If factor is below 2; on `build`, if f does not divide the sides.
    """

    shape_preserving = False

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**only_event_ndims(kwargs, 3))
        self.factor = check_count("factor", factor, least=2)

    def build(self, data_shape: Any) -> None:
        """Checks the sides of the image."""
        height, width = tuple(data_shape)[-3:-1]
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"{self.name}: expected an image of height and width divisible by "
                f"{self.factor}, got {height} x {width}"
            )

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        height, width, channels = shape
        f = self.factor
        return tf.TensorShape([height // f, width // f, channels * f * f])

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        height, width, channels = shape
        f = self.factor
        return tf.TensorShape([height * f, width * f, channels // (f * f)])

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.nn.depth_to_space(z, self.factor), no_log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.nn.space_to_depth(x, self.factor), no_log_det(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "factor": self.factor}
