"""Counts and reports training steps that are left out, and limits their number."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# Reading the counters waits for the device, so it happens once in so many calls.
_CALLS_BETWEEN_LOOKS = 8


class SkippedSteps:
    """Counts training steps left out because loss or gradients were not finite.

    It is no Keras object, so neither weights nor checkpoints of a model contain it.

    Attributes:
      limit: Left-out steps in a row that end a training; None: no limit.
      total: int64 scalar, all steps left out.
      in_a_row: int64 scalar, steps left out since the last one that was taken.
    """

    def __init__(self, limit: int | None) -> None:
        def counter() -> tf.Variable:
            first = tf.VariableAggregation.ONLY_FIRST_REPLICA
            return tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)

        self.limit = limit
        self.total, self.in_a_row, self._longest_row = counter(), counter(), counter()

    def count(self, finite: tf.Tensor) -> None:
        """Counts one step, in the context that assigns variables."""
        skipped = tf.cast(tf.logical_not(finite), tf.int64)
        self.total.assign_add(skipped)
        in_a_row = (self.in_a_row + 1) * skipped
        self.in_a_row.assign(in_a_row)
        self._longest_row.assign(tf.maximum(self._longest_row, in_a_row))

    def check(self) -> None:
        """Raises ValueError if `limit` steps in a row were left out at any time."""
        if self.limit is None or int(self._longest_row.numpy()) < self.limit:
            return
        self.in_a_row.assign(0)  # the next training starts at 0
        self._longest_row.assign(0)
        raise SkippedTooManyError(
            f"expected finite losses and gradients, got {self.limit} steps in a row "
            "without; lower the learning rate, clip gradients (the optimizer's "
            "global_clipnorm=) or look for rows far from all others; "
            "tfflows.training.naming_not_finite(model) names the layer, and "
            "compile(max_skipped=) sets the number (None: never stop)"
        )

    def report(self, before: int, where: str) -> int:
        """Warns of steps left out since `total` was `before`; returns their number."""
        number = int(self.total.numpy()) - before
        if number:
            warnings.warn(
                f"{where}: left out {number} training step{'s' * (number > 1)}, whose "
                "loss or gradients were not finite; no metric contains them",
                UserWarning,
                stacklevel=3,
            )
        return number


class SkippedTooManyError(ValueError):
    """Too many steps in a row were left out to continue the training."""


class SkippedStepsReport(keras.callbacks.Callback):
    """Puts the number of steps left out into each epoch's logs, and warns of it.

    The key is "skipped_steps". Callbacks after this one see it, and `History`.
    """

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called by Keras."""
        self._before = int(self.model.skipped_steps.total.numpy())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras."""
        skipped = self.model.skipped_steps
        number = skipped.report(self._before, f"{self.model.name}, epoch {epoch + 1}")
        if logs is not None:
            logs["skipped_steps"] = number
        skipped.check()


def watched(function: Callable[[Any], Any], skipped: SkippedSteps) -> Any:
    """Returns a Keras train function that stops after too many left-out steps."""
    calls = 0

    def train_function(iterator: Any) -> Any:
        nonlocal calls
        logs = function(iterator)
        calls += 1
        if calls % _CALLS_BETWEEN_LOOKS == 0:
            skipped.check()
        return logs

    return train_function
