"""Maps bounded data to the whole line."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_number
from tfflows.backend.checks import require
from tfflows.backend.domains import all_of_row
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.rescale import check_range
from tfflows.bijectors.shapes import sum_over_event


@keras.saving.register_keras_serializable("tfflows")
class Logit(FlowStep):
    """Maps data in a bounded range to the whole line.

    With r = high - low, c = (1 - 2 alpha) / r and t = alpha + c (x - low), element by
    element:

      forward:          x = low + (sigmoid(z) - alpha) / c
      forward log-det:  sum ln sigmoid(z) + ln sigmoid(-z) - ln c
      inverse:          z = ln t - ln(1 - t)
      inverse log-det:  sum ln c - ln t - ln(1 - t)

    A small alpha > 0 keeps z finite if the data reach low or high. The domain then
    extends beyond both by r alpha / (1 - 2 alpha).

    Source: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2016,
    arXiv 1605.08803, section 4.1 (there alpha = 0.05).

    Args:
      alpha: Number in [0, 0.5).
      low: Lower end of the data's range.
      high: Upper end of the data's range.
      **kwargs: `event_ndims`, `name`, `dtype` of `FlowStep`.

    Raises:
      ValueError: If alpha or the range is invalid.
      ValueError: In `inverse`, if data are outside the domain (in a graph
        InvalidArgumentError; under XLA, which drops checks, the log-det is -inf).
    """

    onto = False

    def __init__(
        self, alpha: float = 0.0, low: float = 0.0, high: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_range(low, high)
        self.alpha = check_number("alpha", alpha, least=0.0, below=0.5)
        self.low, self.high = float(low), float(high)
        self._slope = (1.0 - 2.0 * self.alpha) / (self.high - self.low)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = self.low + (tf.sigmoid(z) - self.alpha) / self._slope
        log_det = tf.math.log_sigmoid(z) + tf.math.log_sigmoid(-z)
        return x, sum_over_event(log_det - math.log(self._slope))

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        margin = self.alpha / self._slope
        low, high = self.low - margin, self.high + margin
        message = (
            f"{self.name}: expected data inside ({low:g}, {high:g}), got values outside"
        )
        inside = (x >= low) & (x <= high)
        with require(tf.reduce_all(inside), message):
            t = self.alpha + self._slope * (x - self.low)
        # Data close to an end, and saturated samples, may round to 0 or 1.
        limits = np.finfo(x.dtype.as_numpy_dtype)
        t = tf.clip_by_value(t, limits.tiny, 1.0 - limits.epsneg)
        log_t, log_1_t = tf.math.log(t), tf.math.log1p(-t)
        log_det = sum_over_event(math.log(self._slope) - log_t - log_1_t)
        # If XLA has dropped the check.
        log_det = tf.where(all_of_row(inside), log_det, -math.inf)
        return log_t - log_1_t, log_det

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"alpha": self.alpha, "low": self.low, "high": self.high}
        return {**super().get_config(), **own}
