"""Levels of squeezed, repeated steps, and their context: Glow, splines on images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfflows.backend.policy import policy_scope
from tfflows.bijectors import Chain, FlowStep, Repeated, Squeeze
from tfflows.families.parts.context import BuilderContext, builder_context
from tfflows.networks.image_context import BlocksToChannels


def squeezed_levels(
    step: Callable[[int], FlowStep], num_steps: int, num_levels: int, *, stacked: bool
) -> list[list[FlowStep]]:
    """Returns each level's steps, data side first: a squeeze, and the repeated step.

    Args:
      step: Maps the number of a step, counted over all levels, to the step.
      num_steps: K, the steps of a level.
      num_levels: L.
      stacked: Whether the steps of a level become one `Repeated`.
    """

    def steps(level: int) -> FlowStep:
        if stacked:
            return Repeated(step(0), num_steps)
        first = level * num_steps
        return Chain([step(first + k) for k in range(num_steps)])

    return [[Squeeze(), steps(level)] for level in range(num_levels)]


def image_context(
    shape: Any, dtype: Any, network: Any, event_shape: Sequence[int]
) -> BuilderContext:
    """Returns the context that the couplings of squeezed levels take.

    Args:
      shape: The builder's context_shape, see `Flow`.
      dtype: Its context_dtype.
      network: Its context_network.
      event_shape: Shape [H, W, C] of one event.
    """
    context = builder_context(shape, dtype, network, images=True)
    if context.shape is None or context.shape[:-1] != tuple(event_shape)[:-1]:
        return context
    # The first level sees images of half the sides. Neighbouring pixels become channels
    # instead of being averaged, in full precision even if networks run in half.
    with policy_scope(keras.config.dtype_policy().variable_dtype):
        blocks = BlocksToChannels()
        layers = [blocks] if network is None else [network, blocks]
        embedding = keras.Sequential(layers)
    return builder_context(shape, dtype, embedding, images=True)
