"""Steps that repeat: kept as one `Repeated`, or one by one, with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfflows.backend.arguments import check_flag
from tfflows.bijectors import Chain, FlowStep, Repeated

# A weight, or of a stack the place of one step's.
_Slot = tuple[keras.Variable, tuple[int, ...]]


def repeated(
    make: Callable[[int], Sequence[FlowStep]],
    number: int,
    *,
    stacked: bool,
    period: int = 1,
) -> list[FlowStep]:
    """`number` parts of a flow, each of the structure of the one `period` before it.

    Args:
      make: From k to the steps of the k-th part.
      number: How many parts.
      stacked: Whether the whole periods become one `Repeated`, if there are two.
      period: For example 2, for couplings whose masks alternate.

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
    """Gives a model the weights of one that differs in what is stacked alone.

    Args:
      source: A built model.
      target: One that was built with the same arguments, but for `stacked`.

    Raises:
      ValueError: For models that differ by more.
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
    """Each step's weights in turn, whether they are stacked or not."""
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
