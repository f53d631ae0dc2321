"""The moving average of the weights that a Keras optimizer keeps (`use_ema`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


class WeightAverage:
    """Swaps the weights for their moving average, and back.

    The weights come back exactly; `keras.callbacks.SwapEMAWeights` swaps by adding and
    subtracting, which rounds. If the optimizer keeps no average, nothing changes.

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
        """Replaces the model's trainable weights by their average, if there is one."""
        optimizer = self._optimizer
        # Before the first step the average is still zero.
        started = bool(optimizer.iterations.numpy())
        if self._aside is not None or not optimizer.use_ema or not started:
            return
        weights = self._model.trainable_variables
        self._aside = [tf.identity(weight.value) for weight in weights]
        averages = optimizer._model_variables_moving_average
        for weight, average in zip(weights, averages, strict=True):
            weight.assign(tf.convert_to_tensor(average.value))

    def swap_out(self) -> None:
        """Restores the trainable weights that `swap_in` replaced."""
        if self._aside is None:
            return
        for weight, value in zip(
            self._model.trainable_variables, self._aside, strict=True
        ):
            weight.assign(value)
        self._aside = None

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Context manager that replaces the weights by their average."""
        self.swap_in()
        try:
            yield
        finally:
            self.swap_out()
