"""Makes steps that repeat, as one `Repeated` or one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfflows.backend.arguments import check_flag
from tfflows.bijectors import Chain, FlowStep, Repeated

# A weight and, if it is a stack, the index of one step's weight.
_Slot = tuple[keras.Variable, tuple[int, ...]]


def repeated(
    make: Callable[[int], Sequence[FlowStep]],
    number: int,
    *,
    stacked: bool,
    period: int = 1,
) -> list[FlowStep]:
    """Returns the steps of parts that have the same structure every `period` parts.

    Args:
      make: Maps k to the steps of part k.
      number: Number of parts.
      stacked: Whether all complete periods become one `Repeated`, if there are two.
      period: Number of different parts, for example 2 for alternating masks.

    Returns:
      The steps, data side first.

    Raises:
      ValueError: If `stacked` is neither True nor False.
    """
    stacks = check_flag("stacked", stacked) and number >= 2 * period
    in_stack = number - number % period if stacks else 0
    rest = [step for k in range(in_stack, number) for step in make(k)]
    if not stacks:
        return rest
    steps = [step for k in range(period) for step in make(k)]
    one = steps[0] if len(steps) == 1 else Chain(steps)
    return [Repeated(one, number // period), *rest]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies weights between models that differ only in `stacked`.

    Args:
      source: A built model.
      target: A model that was built with the same arguments except `stacked`.

    Raises:
      ValueError: If the models differ by more.
    """
    values = [np.asarray(weight.numpy())[place] for weight, place in _slots(source)]
    slots = list(_slots(target))
    shapes = [weight.shape[len(place) :] for weight, place in slots]
    if shapes != [value.shape for value in values]:
        raise ValueError(
            f"expected models of one structure but for stacked, got {source.name} and "
            f"{target.name}"
        )
    arrays = {id(weight): np.array(weight.numpy()) for weight in target.weights}
    for (weight, place), value in zip(slots, values, strict=True):
        arrays[id(weight)][place] = value
    for weight in target.weights:
        weight.assign(arrays[id(weight)])


def _slots(layer: Any) -> Iterator[_Slot]:
    """Yields each step's weights in order, stacked or not."""
    if isinstance(layer, Repeated):
        stacks = {
            id(weight): stack
            for weight, stack in zip(layer.step.variables, layer.stacks, strict=True)
        }
        inner = list(_slots(layer.step))
        for k in range(layer.num_repeats):
            for weight, place in inner:
                yield stacks[id(weight)], (k, *place)
        return
    for weight in layer._trainable_variables + layer._non_trainable_variables:
        yield weight, ()
    for part in layer._layers:
        yield from _slots(part)
