"""The moving average of the weights that a Keras optimizer keeps (`use_ema`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


class WeightAverage:
    """Puts the moving average in the place of the weights, and the weights back.

    Bitwise, unlike `keras.callbacks.SwapEMAWeights`, which swaps by adding and
    subtracting. An optimizer without an average changes nothing.

    Args:
      model: The compiled model.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._aside: list[tf.Tensor] | None = None

    @property
    def _optimizer(self) -> keras.optimizers.Optimizer:
        optimizer = self._model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)

    def swap_in(self) -> None:
        """The model's trainable weights become the average, where there is one."""
        optimizer = self._optimizer
        # Before the first step the average is zero, not that of any weights.
        started = bool(optimizer.iterations.numpy())
        if self._aside is not None or not optimizer.use_ema or not started:
            return
        weights = self._model.trainable_variables
        self._aside = [tf.identity(weight.value) for weight in weights]
        averages = optimizer._model_variables_moving_average
        for weight, average in zip(weights, averages, strict=True):
            weight.assign(tf.convert_to_tensor(average.value))

    def swap_out(self) -> None:
        """The model's trainable weights become what they were before `swap_in`."""
        if self._aside is None:
            return
        for weight, value in zip(
            self._model.trainable_variables, self._aside, strict=True
        ):
            weight.assign(value)
        self._aside = None

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Inside, the weights are the average."""
        self.swap_in()
        try:
            yield
        finally:
            self.swap_out()
