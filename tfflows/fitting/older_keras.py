"""What Keras 3.6 does otherwise than its successors, and the way around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

# Keras 3.6 names the first batch of an execution to callbacks, not the last, and its
# evaluation fails at the end of data that are no multiple of `steps_per_execution`.
COUNTS_FROM_FIRST_BATCH = not hasattr(keras.Model, "_make_function")


def up_to(
    number: int, one_step: Callable[[Iterator[Any]], Any]
) -> Callable[[Iterator[Any]], Any]:
    """A Keras test function of several steps, fewer where the data end.

    Args:
      number: The most steps.
      one_step: That of one step.
    """

    def steps(iterator: Iterator[Any]) -> Any:
        logs = one_step(iterator)
        for _ in range(number - 1):
            try:
                logs = one_step(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                break
        return logs

    return steps
