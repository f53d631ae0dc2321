"""Images as sequences of patches."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import no_log_det, only_event_ndims


@keras.saving.register_keras_serializable("tfflows")
class Patches(FlowStep):
    """Turns images [H, W, C] into sequences [T, P P C] of their patches, row by row.

    With t = i (W / P) + j the patch in row i, column j, and a, b < P the place in it:

      forward:          x[P i + a, P j + b, c] = z[t, (a P + b) C + c]
      forward log-det:  0
      inverse:          z[t, (a P + b) C + c] = x[P i + a, P j + b, c]
      inverse log-det:  0

    Source: Zhai et al., "Normalizing Flows are Capable Generative Models", 2024, arXiv
    2412.06329, section 2.3.

    Args:
      patch_size: P, the side of a patch.
      **kwargs: `name`, `dtype` of `FlowStep`; an event is [H, W, C].

    Raises:
      ValueError: If patch_size is below 1; on `build`, if it does not divide the sides.
    """

    shape_preserving = False

    def __init__(self, patch_size: int, **kwargs: Any) -> None:
        super().__init__(**only_event_ndims(kwargs, 3))
        self.patch_size = check_count("patch_size", patch_size)

    def build(self, data_shape: Any) -> None:
        """Checks the sides of the image."""
        height, width = tuple(data_shape)[-3:-1]
        size = self.patch_size
        if height % size or width % size:
            common = math.gcd(height, width)
            fitting = [str(n) for n in range(1, common + 1) if common % n == 0]
            raise ValueError(
                f"{self.name}: expected images of height and width divisible by "
                f"patch_size={size}, got {height} x {width}; what works: patch_size "
                f"{', '.join(fitting)}, or images padded or cut to "
                f"{_nearest(height, size)} x {_nearest(width, size)}"
            )

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        height, width, channels = shape
        area = self.patch_size**2
        return tf.TensorShape([height * width // area, area * channels])

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape(self.data_event_shape)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        height, width, channels = self.data_event_shape
        size = self.patch_size
        rows, columns = height // size, width // size
        z = tf.reshape(z, (-1, rows, columns, size, size, channels))
        x = tf.transpose(z, (0, 1, 3, 2, 4, 5))
        return tf.reshape(x, (-1, height, width, channels)), no_log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        height, width, channels = self.data_event_shape
        size = self.patch_size
        rows, columns = height // size, width // size
        x = tf.reshape(x, (-1, rows, size, columns, size, channels))
        z = tf.transpose(x, (0, 1, 3, 2, 4, 5))
        return tf.reshape(z, (-1, *self.latent_event_shape)), no_log_det(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "patch_size": self.patch_size}


def _nearest(side: int, size: int) -> int:
    return max(round(side / size), 1) * size
