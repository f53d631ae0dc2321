"""A fixed affine map from a range to [0, 1]."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_number
from tfflows.bijectors.flow_step import FlowStep


@keras.saving.register_keras_serializable("tfflows")
class Rescale(FlowStep):
    """Scales data in the range [low, high] to [0, 1].

    With r = high - low and D elements:

      forward:          x = low + r z
      forward log-det:  D ln r
      inverse:          z = (x - low) / r
      inverse log-det:  -D ln r

    Args:
      low: The value that becomes 0.
      high: The value that becomes 1.
      **kwargs: `event_ndims`, `name`, `dtype` of `FlowStep`.

    Raises:
      ValueError: Unless low < high and both are finite.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_range(low, high)
        self.low, self.high = float(low), float(high)

    def _log_det(self, value: tf.Tensor) -> tf.Tensor:
        log_det = math.prod(self.data_event_shape) * math.log(self.high - self.low)
        return tf.fill(tf.shape(value)[:1], tf.constant(log_det, self.flow_dtype))

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self.low + (self.high - self.low) * z, self._log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return (x - self.low) / (self.high - self.low), -self._log_det(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "low": self.low, "high": self.high}


def check_range(low: float, high: float) -> None:
    """Raises ValueError unless low < high and both are finite."""
    if not check_number("low", low) < check_number("high", high):
        raise ValueError(f"expected finite low < high, got low={low}, high={high}")
