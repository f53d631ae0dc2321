"""A step in the other direction."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.flow_step import OPPOSITE, FlowStep
from tfflows.bijectors.nesting import as_step, build_step


@keras.saving.register_keras_serializable("tfflows")
class Invert(FlowStep):
    """A step in the other direction.

    With f the step's forward and g its inverse:

      forward:          x = g(z)
      forward log-det:  log|det dg/dz|
      inverse:          z = f(x)
      inverse log-det:  log|det df/dx|

    Args:
      step: A flow step, or any `tfb.Bijector`.
      event_ndims: As in `FlowStep`; None: that of the step.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: On `build`, if the step's data shape does not follow from its latent
        shape (`Flatten`): then build that step first.
    """

    def __init__(
        self, step: Any, *, event_ndims: int | None = None, **kwargs: Any
    ) -> None:
        step = as_step(step, kwargs.get("dtype"))
        if event_ndims is None and step.shape_preserving:
            event_ndims = step.event_ndims
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = step.dtype_policy
        super().__init__(event_ndims=event_ndims, **kwargs)
        self.step = step
        self.shape_preserving = step.shape_preserving
        self.supports_jit = step.supports_jit

    @property
    def is_initialized(self) -> bool:
        """Whether the step's data-dependent start has taken place."""
        return self.step.is_initialized

    def build(self, data_shape: Any) -> None:
        """Builds the step, whose data side is the latent side here."""
        inner_shape = tuple(self._inverse_event_shape(data_shape[1:]))
        build_step(self.step, inner_shape, self.flow_dtype)

    def _inverse_event_shape(self, shape: Any) -> tf.TensorShape:
        return self.step.forward_event_shape(shape)

    def _forward_event_shape(self, shape: Any) -> tf.TensorShape:
        return self.step.inverse_event_shape(shape)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self.step._inverse_and_log_det(z, context)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self.step._fused_pass(OPPOSITE["inverse"])(x, context)

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        return self.step._initialize(value, context, OPPOSITE[direction])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        step = keras.saving.serialize_keras_object(self.step)
        return {**super().get_config(), "step": step}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Invert:
        """A fresh inversion of equal config."""
        step = keras.saving.deserialize_keras_object(config["step"])
        return cls(**{**config, "step": step})
