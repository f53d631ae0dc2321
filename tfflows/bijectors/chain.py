"""Composition of steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.composite import STAND_INS, Composite, as_steps, build_step


@keras.saving.register_keras_serializable("tfflows")
class Chain(Composite):
    """A composition of steps, in the order of `tfb.Chain`.

    `steps` goes from data to latent, as papers draw a flow: `inverse` applies the first
    step first, `forward` the last one first. With f_k the k-th step from latent to
    data, g_k its inverse, x_K = z, x_{k-1} = f_k(x_k), x = x_0:

      forward:          x = f_1(f_2(... f_K(z)))
      forward log-det:  sum_k log|det df_k/dx_k|
      inverse:          z = g_K(... g_2(g_1(x)))
      inverse log-det:  sum_k log|det dg_k/dx_{k-1}|

    Args:
      steps: Flow steps, or any `tfb.Bijector`s, data side first.
      event_ndims: As in `FlowStep`; None: the first step's.
      **kwargs: `name`, `dtype` (None: the steps'), `trainable` of `FlowStep`.

    Raises:
      ValueError: If parts are no bijectors or one occurs twice; on `build`, if the
        steps' shapes or dtypes do not fit.
    """

    def __init__(
        self, steps: Iterable[Any], *, event_ndims: int | None = None, **kwargs: Any
    ) -> None:
        steps = as_steps("steps", steps, kwargs.get("dtype"))
        if event_ndims is None and steps:
            event_ndims = steps[0].event_ndims
        super().__init__(steps, event_ndims=event_ndims, **kwargs)
        self.steps = steps

    def build(self, data_shape: Any) -> None:
        """Builds the steps, data side first."""
        shape = tuple(data_shape)[1:]
        for step in self.steps:
            shape = build_step(step, shape, self.flow_dtype).latent_event_shape

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        for step in self.steps:
            shape = step.inverse_event_shape(shape)
        return shape

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        for step in reversed(self.steps):
            shape = step.forward_event_shape(shape)
        return shape


STAND_INS["Chain"] = lambda stock: Chain(stock.bijectors)
