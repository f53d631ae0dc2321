"""Going on in the middle of an epoch, which Keras' `fit` has no way to say."""

from __future__ import annotations

import keras

from tfflows.fitting.fit import FitWithoutTargets
from tfflows.fitting.step_loop import skip_calls


def skip_batches(model: keras.Model, number: int) -> None:
    """The next `fit` counts its first batches as done, without drawing data for them.

    Callbacks see these batches pass by; the data must begin after them.

    Args:
      model: The compiled model.
      number: Of batches.

    Raises:
      ValueError: The model takes several steps at once, of which these are no multiple.
    """
    if not number:
        return
    calls, rest = divmod(number, model.steps_per_execution)
    if rest:
        raise ValueError(
            f"expected a number of batches that {model.steps_per_execution} "
            f"(steps_per_execution) divides, got {number}"
        )
    if isinstance(model, FitWithoutTargets):  # which knows its rounds when it begins
        model._steps_behind = number
    else:
        skip_calls(model, calls)
