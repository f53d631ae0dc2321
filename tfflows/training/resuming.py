"""Resumes `fit` in the middle of an epoch, which Keras cannot do."""

from __future__ import annotations

import keras

from tfflows.fitting.fit import FitWithoutTargets
from tfflows.fitting.step_loop import skip_calls


def skip_batches(model: keras.Model, number: int) -> None:
    """Makes the next `fit` count its first batches as done, without drawing their data.

    Callbacks are called for these batches. The data must begin after them.

    Args:
      model: The compiled model.
      number: Number of batches to skip.

    Raises:
      ValueError: If `steps_per_execution` does not divide the number.
    """
    if not number:
        return
    calls, rest = divmod(number, model.steps_per_execution)
    if rest:
        raise ValueError(
            f"expected a number of batches that {model.steps_per_execution} "
            f"(steps_per_execution) divides, got {number}"
        )
    if isinstance(model, FitWithoutTargets):  # it plans its rounds when `fit` begins
        model._steps_behind = number
    else:
        skip_calls(model, calls)
