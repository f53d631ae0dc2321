"""A step in the other direction."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.composite import STAND_INS, Composite, as_step, build_step
from tfflows.bijectors.flow_step import OPPOSITE, FlowStep


@keras.saving.register_keras_serializable("tfflows")
class Invert(Composite):
    """A step in the other direction.

    With f the step's forward and g its inverse:

      forward:          x = g(z)
      forward log-det:  log|det dg/dz|
      inverse:          z = f(x)
      inverse log-det:  log|det df/dx|

    Args:
      step: A flow step, or any `tfb.Bijector`.
      event_ndims: As in `FlowStep`; None: the step's.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: On `build`, if the step's data shape does not follow from its latent
        shape (`Flatten`). Build that step first.
    """

    argument = "step"

    def __init__(
        self, step: Any, *, event_ndims: int | None = None, **kwargs: Any
    ) -> None:
        step = as_step(step, kwargs.get("dtype"))
        if event_ndims is None and step.shape_preserving:
            event_ndims = step.event_ndims
        super().__init__([step], event_ndims=event_ndims, **kwargs)
        self.step = step
        self.has_inverse = True  # the step's forward pass

    def build(self, data_shape: Any) -> None:
        """Builds the step; its data side is this step's latent side."""
        inner_shape = tuple(self._inverse_event_shape(data_shape[1:]))
        build_step(self.step, inner_shape, self.flow_dtype)

    def _inverse_event_shape(self, shape: Any) -> tf.TensorShape:
        return self.step.forward_event_shape(shape)

    def _forward_event_shape(self, shape: Any) -> tf.TensorShape:
        return self.step.inverse_event_shape(shape)

    def _in_order(self, direction: str) -> list[tuple[FlowStep, str]]:
        return [(self.step, OPPOSITE[direction])]


STAND_INS["Invert"] = lambda stock: Invert(stock.bijector)
