"""Maps values between bounds to the whole line, each element with its own bounds."""

from __future__ import annotations

import numbers
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.domains import all_of_row, outside, select_rows
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import sum_over_event

Bound = Any  # a number, None, or nested sequences of these of the event's shape


@keras.saving.register_keras_serializable("tfflows")
class Bounded(FlowStep):
    """Maps elements between open bounds to the whole line.

    Element by element, with r = high - low:

      forward:          x = low + r sigmoid(z);  low + exp(z);  high - exp(-z);  z
      forward log-det:  sum ln r + ln sigmoid(z) + ln sigmoid(-z);  z;  -z;  0
      inverse:          z = ln(x - low) - ln(high - x);  ln(x - low);  -ln(high - x);  x
      inverse log-det:  sum ln r - ln(x - low) - ln(high - x);  -ln(x - low);
                        -ln(high - x);  0

    with two bounds, with low alone, with high alone, with neither. Another unit of x
    shifts z and changes nothing else. Rows with an element on a bound or beyond have
    log-det -inf: their density is 0. The forward pass stays strictly inside.

    Source: Carpenter et al., "Stan: A Probabilistic Programming Language", 2017;
    reference manual, "Constraint transforms".

    Args:
      low: The lower bound: a number, None (or -inf) for none, or an array of these of
        the event's shape.
      high: The upper bound, likewise.
      **kwargs: `event_ndims`, `name`, `dtype` of `FlowStep`.

    Raises:
      ValueError: Unless low < high; in `build`, for arrays of another shape than the
        event's, or bounds without a number of the step's dtype between them.
    """

    onto = False

    def __init__(self, low: Bound = None, high: Bound = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        bounds = bounds_as_arrays(low, high)
        self.low, self.high = map(_as_plain, bounds)
        self._bounds = bounds

    def build(self, data_shape: Any) -> None:
        """Prepares the bounds of each element, in the flow dtype."""
        event = tuple(data_shape)[1:]
        for name, bound in zip(("low", "high"), self._bounds, strict=True):
            if bound.shape not in ((), event):
                raise ValueError(
                    f"{self.name}: expected {name} as one number or of shape {event}, "
                    f"got shape {bound.shape}"
                )
        self._set_bounds(*self._bounds, self.flow_dtype.as_numpy_dtype)

    def _set_bounds(self, low: np.ndarray, high: np.ndarray, real: Any) -> None:
        low, high = low.astype(real), high.astype(real)
        first = _not_subnormal(np.nextafter(low, real(np.inf)), 1)
        last = _not_subnormal(np.nextafter(high, real(-np.inf)), -1)
        if not np.all(first <= last):
            raise ValueError(
                f"{self.name}: expected bounds with numbers of {real.__name__} between "
                f"them, got low={self.low}, high={self.high}; use dtype='float64'"
            )
        self._first, self._last = first, last
        self._has_low, self._has_high = np.isfinite(low), np.isfinite(high)
        self._is_interval = self._has_low & self._has_high
        self._low = np.where(self._has_low, low, real(0))
        self._high = np.where(self._has_high, high, real(0))
        self._length = np.where(self._is_interval, self._high - self._low, real(1))
        self._log_length = np.log(self._length)
        middle = self._low + self._length / 2
        self._middle = np.clip(middle, first, last)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Finite also where another map is taken: NaN would reach all gradients.
        most = float(np.log(np.finfo(z.dtype.as_numpy_dtype).max)) * (1.0 - 1e-6)
        limited = tf.clip_by_value(z, -most, most)
        # From the nearer bound, where numbers are denser.
        from_low = self._low + self._length * tf.sigmoid(z)
        from_high = self._high - self._length * tf.sigmoid(-z)
        x = tf.where(z < 0, from_low, from_high)
        half_line = tf.where(
            self._has_low, self._low + tf.exp(limited), self._high - tf.exp(-limited)
        )
        bounded = self._has_low | self._has_high
        x = tf.where(self._is_interval, x, tf.where(bounded, half_line, z))
        interval = self._log_length + tf.math.log_sigmoid(z) + tf.math.log_sigmoid(-z)
        half_line = tf.where(self._has_low, z, tf.where(bounded, -z, tf.zeros_like(z)))
        log_det = tf.where(self._is_interval, interval, half_line)
        return tf.clip_by_value(x, self._first, self._last), sum_over_event(log_det)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inside = (x >= self._first) & (x <= self._last)
        x = tf.where(inside, x, self._middle)
        one = tf.ones_like(x)
        log_below = tf.math.log(tf.where(self._has_low, x - self._low, one))
        log_above = tf.math.log(tf.where(self._has_high, self._high - x, one))
        free = ~(self._has_low | self._has_high)
        z = tf.where(free, x, log_below - log_above)
        log_det = sum_over_event(self._log_length - log_below - log_above)
        rows = all_of_row(inside)
        log_det = tf.where(rows, log_det, tf.constant(-np.inf, log_det.dtype))
        return select_rows(rows, z, tf.zeros_like(z)), log_det

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        result, log_det = self._fused_pass(direction)(value, context)
        rows = tf.where(outside(log_det))
        if direction == "inverse" and tf.size(rows):
            number = int(rows[0, 0])
            raise ValueError(
                f"{self.name}: expected data between low={self.low} and "
                f"high={self.high}, got row {number} on a bound or beyond: "
                f"{value[number].numpy()}"
            )
        return result

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; None stands for no bound."""
        return {**super().get_config(), "low": self.low, "high": self.high}


def bounds_as_arrays(low: Bound, high: Bound) -> tuple[np.ndarray, np.ndarray]:
    """Returns checked bounds as float64 arrays, infinite where there is none.

    Args:
      low: As in `Bounded`.
      high: Likewise.

    Raises:
      ValueError: For anything else, or unless low < high.
    """
    arrays = _as_array("low", low, -np.inf), _as_array("high", high, np.inf)
    shapes = {array.shape for array in arrays} - {()}
    if len(shapes) > 1 or not np.all(np.less(*arrays)):
        raise ValueError(f"expected low < high, got low={low!r}, high={high!r}")
    return arrays


def _as_array(name: str, bound: Bound, missing: float) -> np.ndarray:
    try:
        given = np.array(bound, dtype=object)
        values = [missing if one is None else one for one in given.ravel()]
        if all(_is_number(one) for one in values):
            return np.array(values, "float64").reshape(given.shape)
    except (TypeError, ValueError):  # lists of several lengths
        pass
    raise ValueError(
        f"expected {name} as a number, None for no bound, or an array of these, got "
        f"{bound!r}"
    )


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    return is_real and not np.isnan(value)


def _as_plain(bound: np.ndarray) -> Any:
    """Returns a bound as JSON has it: None where it is infinite."""
    plain = bound.astype(object)
    plain[~np.isfinite(bound)] = None
    return plain.tolist()


def _not_subnormal(values: np.ndarray, side: int) -> np.ndarray:
    """Returns the values, next to 0 the first that no device flushes to 0."""
    tiny = np.finfo(values.dtype).tiny
    return np.where(np.abs(values) < tiny, side * tiny, values).astype(values.dtype)
