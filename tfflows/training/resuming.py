"""Going on in the middle of an epoch, which Keras' `fit` has no way to say."""

from __future__ import annotations

from typing import Any

import keras


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
    model.make_train_function()
    train_function, left = model.train_function, calls
    means: dict[str, Any] = {}

    def function(iterator: Any) -> Any:
        nonlocal left, means
        if not left:
            return train_function(iterator)
        left -= 1
        means = means or model.get_metrics_result()
        return means

    model.train_function = function
