"""Data sets that are drawn: the toys' points, parameters with what was observed."""

from __future__ import annotations

from tfflows.data.circular import CIRCULAR
from tfflows.data.pipelines import ArraySource
from tfflows.data.simulators import SIMULATORS
from tfflows.data.source import Examples
from tfflows.data.split import split_source
from tfflows.data.toy import TOYS

_SIZES = (50_000, 10_000, 10_000)


def load_drawn(
    name: str, *, seed: int = 0, label_as_context: bool = False
) -> ArraySource:
    """Draws 50,000 + 10,000 + 10,000 examples.

    Args:
        name: one of `TOYS`, of `CIRCULAR` or of `SIMULATORS`.
        seed: of the draws and the splits.
        label_as_context: whether batches carry what was observed as "context".

    Raises:
        ValueError: observations are asked of a toy.
    """
    observation_shape = None
    toys = TOYS | CIRCULAR
    if name in toys:
        examples = Examples(toys[name].sample(sum(_SIZES), seed))
    else:
        simulator = SIMULATORS[name]
        examples = Examples(*simulator.sample(sum(_SIZES), seed))
        observation_shape = (simulator.observation_dim,)
    return split_source(
        name,
        examples,
        seed=seed,
        observation_shape=observation_shape,
        sizes=_SIZES,
        label_as_context=label_as_context,
    )
