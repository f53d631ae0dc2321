"""Counts the trainable parameters of the registered models.

`python -m tfflows.zoo.parameters [NAME ...]` counts the named models or, without names,
those that the record lacks. It writes `parameters.json` and drops names that are no
longer registered.
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
    """Returns the number of trainable parameters of a model.

    Args:
      model: A built model.
    """
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def main(names: Sequence[str]) -> None:
    """Writes the record.

    Args:
      names: Models to count again; none: the models that the record lacks.

    Raises:
      ConfigError: If a name is unknown.
    """
    sized = {name for name in list_models() if describe(name).event_shape is not None}
    known = {k: v for k, v in recorded_parameters().items() if k in sized}
    wanted = names or sorted(sized - set(known))
    counted = {name: count(create(name)) for name in wanted}
    files.write_json(PARAMETERS, dict(sorted((known | counted).items())))


if __name__ == "__main__":
    main(sys.argv[1:])
