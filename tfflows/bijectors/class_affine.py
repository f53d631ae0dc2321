"""An affine map chosen by a class label."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checks import require
from tfflows.backend.weight_kinds import mark_elementwise
from tfflows.bijectors.flow_step import FlowStep


@keras.saving.register_keras_serializable("tfflows")
class ClassAffine(FlowStep):
    """A scale and shift per channel and class; the context is the label y.

    With log_scale s_y and shift b_y `[C]` of class y, n the number of positions of a
    channel in one event (1 for vectors, H W for images):

      forward:          x = z * exp(s_y) + b_y
      forward log-det:  n * sum_c s_yc
      inverse:          z = (x - b_y) * exp(-s_y)
      inverse log-det:  -n * sum_c s_yc

    It starts as the identity. Next to a standard normal base it is Glow's
    class-conditional prior, a normal with mean b_y and deviation exp(s_y).

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, the option `ycond` of
    the authors' code.

    Args:
      num_classes: Number of classes; labels are 0 .. num_classes - 1.
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If num_classes is below 1; on call, if the context is no integer label
        `[B]` of the classes.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = check_count("num_classes", num_classes)

    def check_context(
        self, shape: tuple[int | None, ...] | None, dtype: tf.DType | None
    ) -> None:
        """Raises ValueError unless contexts of this shape and dtype are labels."""
        if shape != () or dtype is None or not dtype.is_integer:
            got = "none" if dtype is None else f"{dtype.name} of shape {shape}"
            raise ValueError(
                f"expected integer labels as context for {self.name}, got {got}; give "
                "context_shape=() and no context_network"
            )

    def build(self, data_shape: Any) -> None:
        """Creates log_scale and shift `[num_classes, C]`."""
        shape = (self.num_classes, data_shape[-1])
        self.log_scale, self.shift = [
            mark_elementwise(
                self.add_weight(shape=shape, initializer="zeros", name=name)
            )
            for name in ("log_scale", "shift")
        ]

    def _params(self, context: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns log_scale and shift `[B, 1, .., C]`, and the log-det `[B]`."""
        if context is None or not context.dtype.is_integer or context.shape.rank != 1:
            got = "none" if context is None else f"{context.dtype.name}{context.shape}"
            raise ValueError(
                f"{self.name}: expected integer labels of shape (batch,) as context, "
                f"got {got}"
            )
        known = tf.reduce_all((context >= 0) & (context < self.num_classes))
        message = f"expected labels from 0 to {self.num_classes - 1} as context"
        with require(known, message):
            # Not a gather: few optimizers handle its sparse gradient well.
            chosen = tf.one_hot(context, self.num_classes, dtype=self.flow_dtype)
        # XLA drops the check, so unknown labels give NaN: their row would be zero.
        is_known = tf.reduce_any(chosen > 0, axis=-1, keepdims=True)
        chosen = tf.where(is_known, chosen, tf.constant(math.nan, self.flow_dtype))
        log_scale, shift = chosen @ self.log_scale, chosen @ self.shift
        *positions, channels = self.data_event_shape
        log_det = math.prod(positions) * tf.reduce_sum(log_scale, axis=-1)
        shape = (-1, *[1 for _ in positions], channels)
        return tf.reshape(log_scale, shape), tf.reshape(shift, shape), log_det

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_scale, shift, log_det = self._params(context)
        return z * tf.exp(log_scale) + shift, log_det

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_scale, shift, log_det = self._params(context)
        return (x - shift) * tf.exp(-log_scale), -log_det

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_classes": self.num_classes}
