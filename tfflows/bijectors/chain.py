"""Composition of steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.nesting import (
    as_step,
    build_step,
    check_steps,
    common_dtype,
)


@keras.saving.register_keras_serializable("tfflows")
class Chain(FlowStep):
    """Steps one after the other, in the order of `tfb.Chain`.

    `steps` reads from data to latent, the way papers draw a flow: `inverse` applies
    the first step first, `forward` the last one first. With f_k the k-th step from
    latent to data, g_k its inverse, x_K = z, x_{k-1} = f_k(x_k), x = x_0:

      forward:          x = f_1(f_2(... f_K(z)))
      forward log-det:  sum_k log|det df_k/dx_k|
      inverse:          z = g_K(... g_2(g_1(x)))
      inverse log-det:  sum_k log|det dg_k/dx_{k-1}|

    Args:
      steps: Flow steps, or any `tfb.Bijector`s, data side first.
      event_ndims: As in `FlowStep`; None: that of the first step.
      **kwargs: `name`, `dtype` (None: that of its steps), `trainable` of
        `FlowStep`.

    Raises:
      ValueError: For parts that are no bijectors, or one that stands twice; on
        `build`, for steps that do not fit each other in shape or dtype.
    """

    def __init__(
        self, steps: Iterable[Any], *, event_ndims: int | None = None, **kwargs: Any
    ) -> None:
        steps = check_steps("steps", steps)
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = common_dtype(steps)
        steps = [as_step(step, kwargs["dtype"]) for step in steps]
        if len({id(step) for step in steps}) < len(steps):
            raise ValueError("expected steps that are distinct objects, got one twice")
        if event_ndims is None and steps:
            event_ndims = steps[0].event_ndims
        super().__init__(event_ndims=event_ndims, **kwargs)
        self.steps = steps
        self.shape_preserving = all(step.shape_preserving for step in steps)
        self.has_inverse = all(step.has_inverse for step in steps)
        self.supports_jit = all(step.supports_jit for step in steps)

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start in the chain has taken place."""
        return all(step.is_initialized for step in self.steps)

    def build(self, data_shape: Any) -> None:
        """Builds the steps, data side first."""
        shape = tuple(data_shape)[1:]
        for step in self.steps:
            step = build_step(step, shape, self.flow_dtype)
            shape = step.latent_event_shape

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        for step in self.steps:
            shape = step.inverse_event_shape(shape)
        return shape

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        for step in reversed(self.steps):
            shape = step.forward_event_shape(shape)
        return shape

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(z, context, "forward")

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(x, context, "inverse")

    def _forward_as_inverse(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(z, context, "forward_as_inverse")

    def _through(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_det = tf.zeros(tf.shape(value)[:1], self.flow_dtype)
        for step in self._in_order(direction):
            value, step_log_det = step._fused_pass(direction)(value, context)
            log_det += step_log_det
        return value, log_det

    def _in_order(self, direction: str) -> list[FlowStep]:
        return self.steps if direction == "inverse" else self.steps[::-1]

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        for step in self._in_order(direction):
            value = step._initialize(value, context, direction)
        return value

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        steps = [keras.saving.serialize_keras_object(step) for step in self.steps]
        return {**super().get_config(), "steps": steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Chain:
        """A fresh chain of equal config."""
        steps = [keras.saving.deserialize_keras_object(s) for s in config["steps"]]
        return cls(**{**config, "steps": steps})
