"""The trained weights that ship with the package, and their figures."""

from __future__ import annotations

import pathlib
from typing import Any

from tfflows.system import files
from tfflows.zoo.errors import ConfigError

_FOLDER = pathlib.Path(__file__).parent / "weights"
_SUFFIX = ".weights.h5"


def names() -> list[str]:
    """Lists the models whose trained weights ship.

    Returns:
      Registered names, in alphabetical order.
    """
    return sorted(p.name.removesuffix(_SUFFIX) for p in _FOLDER.glob(f"*{_SUFFIX}"))


def exists(name: str) -> bool:
    """Returns whether trained weights of a model ship.

    Args:
      name: A registered name.

    Returns:
      True if they do.
    """
    return name in names()


def path(name: str) -> pathlib.Path:
    """Finds the weight file of a model.

    Args:
      name: A registered name.

    Returns:
      The file.

    Raises:
      ConfigError: If none ships; it lists the models that have one.
    """
    if not exists(name):
        raise ConfigError(
            f"expected a model with trained weights, got {name!r}; "
            f"these have them: {', '.join(names())}"
        )
    return weights_path(name)


def record(name: str) -> dict[str, Any]:
    """Reads the record of a model's weights: commands and figures.

    Args:
      name: A registered name whose weights ship.

    Returns:
      "command", "evaluation" (the output of `tfflows-evaluate` on the test split),
      "date" and "versions".

    Raises:
      ConfigError: If none ship for this model.
    """
    path(name)
    return files.read_json(record_path(name))


def weights_path(name: str) -> pathlib.Path:
    """Returns the path of a model's weights, if they ship.

    Args:
      name: A registered name.

    Returns:
      A path that need not exist.
    """
    return _FOLDER / f"{name}{_SUFFIX}"


def record_path(name: str) -> pathlib.Path:
    """Returns the path of the record of a model's weights, if they ship.

    Args:
      name: A registered name.

    Returns:
      A path that need not exist.
    """
    return _FOLDER / f"{name}.json"
