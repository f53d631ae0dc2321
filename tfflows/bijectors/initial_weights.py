"""The initial weights of copies of a step."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.composite import build_step
from tfflows.bijectors.flow_step import FlowStep

_KERAS_OWN = "keras.src.initializers."


def initial_weights(
    step: FlowStep, number: int, event: tuple[int, ...], dtype: tf.DType
) -> list[tf.Tensor]:
    """Returns the initial weights of new copies of a step.

    Args:
      step: A step, which is left as it is.
      number: K, the number of copies.
      event: Shape of an event.
      dtype: The dtype of events.

    Returns:
      One tensor for each of the step's weights, all copies along its first axis.
    """
    parts = [part for part in step._flatten_layers() if isinstance(part, FlowStep)]
    found = None
    if all(part.draws_weights_apart for part in parts):
        found = _initializers(_copy(step), event, dtype)
    if found is None:
        copies = [build_step(_copy(step), event, dtype) for _ in range(number)]
        weights = [[tf.convert_to_tensor(v) for v in copy.variables] for copy in copies]
    else:
        weights = []
        for _ in range(number):
            weights.append([initial(shape, dtype=of) for initial, shape, of in found])
            # An initializer draws the same again, one of its config does not.
            found = [(i.from_config(i.get_config()), *rest) for i, *rest in found]
    return [tf.stack(values) for values in zip(*weights, strict=True)]


def _copy(step: FlowStep) -> FlowStep:
    return type(step).from_config(step.get_config())


def _initializers(
    step: FlowStep, event: tuple[int, ...], dtype: tf.DType
) -> list[tuple[Any, ...]] | None:
    """Returns initializer, shape and dtype of each weight.

    To build a copy takes ten times as long as to draw its weights. None if `build`
    does more than create weights by Keras' initializers, if one of these holds values
    that `build` may have drawn, or if `build` fails.
    """
    found = []
    try:
        with keras.StatelessScope() as scope:  # delays the initializers
            build_step(step, event, dtype)
            for variable in step.variables:
                initializer = variable._initializer
                assigned = scope.get_current_value(variable) is not None
                if assigned or not _draws_anew(initializer):
                    return None
                found.append((initializer, variable.shape, variable.dtype))
    except Exception:  # the build of a copy raises it again, with all its words
        return None
    return found


def _draws_anew(initializer: Any) -> bool:
    """Returns whether a copy's initializer, too, would only be this one."""
    of_keras = type(initializer).__module__.startswith(_KERAS_OWN)
    # A Constant may hold numbers that `build` drew; a user's class, too.
    return of_keras and not isinstance(initializer, keras.initializers.Constant)
