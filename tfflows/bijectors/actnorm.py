"""Activation normalisation: a per-channel affine map, initialised from data."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.bijectors.flow_step import FlowStep

# A channel counts as constant if its deviation on the first batch is below this many
# roundings of its values; dividing by it would blow up other values.
_ROUNDINGS = 8


@keras.saving.register_keras_serializable("tfflows")
class ActNorm(FlowStep):
    """Activation normalisation: an affine map per channel, initialised from data.

    With log_scale s and shift b per channel c (last axis), n the number of positions
    of a channel in one event (1 for vectors, H W for images):

      forward:          x = z * exp(s) + b
      forward log-det:  n * sum_c s_c
      inverse:          z = (x - b) * exp(-s)
      inverse log-det:  -n * sum_c s_c

    `initialize(batch)` sets s and b so that the output on this batch has mean 0 and
    deviation 1 per channel, in the direction in which the batch passes. A constant
    channel is only centred, with a warning. This happens once: `initialized` is a saved
    weight, so a restored step is never initialised again, and calls never assign.

    Source: Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1
    Convolutions", 2018, arXiv 1807.03039, section 3.1.

    Args:
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.
    """

    trains_weights = True

    def build(self, data_shape: Any) -> None:
        """Creates shift and log_scale `[C]` and the flag `initialized`."""
        channels = data_shape[-1:]
        for name in ("log_scale", "shift"):
            weight = self.add_weight(
                shape=channels,
                initializer="zeros",
                trainable=self.trains_weights,
                name=name,
            )
            setattr(self, name, weight)
        self.initialized = self.add_weight(
            shape=(),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            name="initialized",
        )

    @property
    def is_initialized(self) -> bool:
        """Returns whether the step was initialised from data (or restored)."""
        return self.built and bool(self.initialized.numpy())

    def _log_det(self, value: tf.Tensor) -> tf.Tensor:
        positions = math.prod(self.data_event_shape[:-1])
        log_det = positions * tf.reduce_sum(self.log_scale)
        return tf.fill(tf.shape(value)[:1], log_det)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return z * tf.exp(self.log_scale) + self.shift, self._log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return (x - self.shift) * tf.exp(-self.log_scale), -self._log_det(x)

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        if not self.is_initialized:
            mean, deviation = channel_moments(value, self.name)
            if direction == "inverse":
                shift, log_scale = mean, np.log(deviation)
            else:
                shift, log_scale = -mean / deviation, -np.log(deviation)
            self.shift.assign(shift)
            self.log_scale.assign(log_scale)
            self.initialized.assign(True)
        return super()._initialize(value, context, direction)


def channel_moments(value: tf.Tensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and deviation `[C]` of each channel of a batch `[B, ..., C]`.

    Args:
      value: The batch, an eager tensor.
      name: Name for warnings about constant channels, whose deviation becomes 1.
    """
    rows = np.reshape(value.numpy().astype("float64"), (-1, value.shape[-1]))
    # Relative to the first row: the mean of equal numbers may differ from them.
    first, rest = rows[0], rows - rows[0]
    mean, deviation = first + rest.mean(axis=0), rest.std(axis=0)
    size = np.maximum(np.abs(rows).max(axis=0), np.finfo("float32").tiny)
    rounding = np.finfo(value.dtype.as_numpy_dtype).eps * size
    constant = deviation <= _ROUNDINGS * rounding
    if constant.any():
        dtype = value.dtype.name
        offset = size[constant].max()
        hint = ""
        if dtype == "float32" and offset > np.finfo("float32").tiny:
            hint = (
                f"; if they vary by less than {dtype} tells apart at {offset:.3g}, "
                "give dtype='float64', or subtract an offset from the data"
            )
        warnings.warn(
            f"{name}: channels {np.flatnonzero(constant).tolist()} are constant in "
            f"{dtype} on the {len(rows)} initial values: their scale stays 1{hint}",
            stacklevel=2,
        )
    return mean, np.where(constant, 1.0, deviation)
