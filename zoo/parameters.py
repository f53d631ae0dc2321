"""Counts the trainable parameters of the registered models.

`python -m tfflows.zoo.parameters` counts those that the record lacks, and with names
those; it writes `parameters.json`, from which names that are no longer registered go.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import keras

from tfflows.system import files
from tfflows.zoo.factory import create
from tfflows.zoo.registry import (
    PARAMETERS,
    describe,
    list_models,
    recorded_parameters,
)


def count(model: keras.Model) -> int:
    """The number of trainable parameters of a model.

    Args:
      model: A built model.
    """
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def main(names: Sequence[str]) -> None:
    """Writes the record.

    Args:
      names: Models to count again; none: those that the record lacks.

    Raises:
      ConfigError: A name is unknown.
    """
    sized = {name for name in list_models() if describe(name).event_shape is not None}
    known = {k: v for k, v in recorded_parameters().items() if k in sized}
    wanted = names or sorted(sized - set(known))
    counted = {name: count(create(name)) for name in wanted}
    files.write_json(PARAMETERS, dict(sorted((known | counted).items())))


if __name__ == "__main__":
    main(sys.argv[1:])
