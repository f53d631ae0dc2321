"""The registry: names of experiments, their configurations and facts.

For example::

    @register("realnvp_mine", parameters=1234)
    def _realnvp_mine() -> ExperimentConfig:
        return ExperimentConfig(name="realnvp_mine", ...)

Once a module with this is imported, the name is as good as those that come along.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

from tfflows.zoo import pretrained
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import unknown_name

ConfigFunction = Callable[[], ExperimentConfig]


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What the registry knows of a model without building it.

    Attributes:
      name: The registered name.
      family: For example "realnvp".
      description: One sentence.
      parameters: Number of trainable parameters; None: depends on the user's data.
      dataset: Name of the data set; None: the user's own.
      event_shape: Shape of one example; None: from the data.
      levels: Number of levels of integer data; None for continuous data.
      reference: Published or measured figures, by name and unit.
      pretrained: The recorded figures of the weights that ship; None: none ship.
    """

    name: str
    family: str
    description: str
    parameters: int | None
    dataset: str | None
    event_shape: tuple[int, ...] | None
    levels: int | None
    reference: Mapping[str, float]
    pretrained: Mapping[str, Any] | None


@dataclasses.dataclass(frozen=True)
class _Entry:
    make_config: ConfigFunction
    parameters: int | None


_REGISTRY: dict[str, _Entry] = {}


def register(
    name: str, *, parameters: int | None = None
) -> Callable[[ConfigFunction], ConfigFunction]:
    """Registers a function that returns the configuration of an experiment.

    Args:
      name: <family>_<data set>; also the `name` of the configuration.
      parameters: Number of trainable parameters of the model as configured, so that
        `describe` need not build it; None where the data decide.

    Returns:
      A decorator that gives the function back.

    Raises:
      KeyError: The name is registered already.
    """
    if name in _REGISTRY:
        raise KeyError(f"expected a new name, got {name!r}, which is registered")

    def decorator(make_config: ConfigFunction) -> ConfigFunction:
        _REGISTRY[name] = _Entry(make_config, parameters)
        return make_config

    return decorator


def list_models(pattern: str = "*") -> list[str]:
    """Lists the registered names.

    Args:
      pattern: A shell-style pattern, for example "realnvp_*".

    Returns:
      The matching names in alphabetical order.
    """
    return sorted(fnmatch.filter(_REGISTRY, pattern))


def get_config(name: str) -> ExperimentConfig:
    """Returns the configuration of a registered experiment.

    Args:
      name: A registered name.

    Returns:
      The configuration.

    Raises:
      ConfigError: The name is unknown; near ones are listed.
    """
    return _entry(name).make_config()


def describe(name: str) -> ModelInfo:
    """Tells the facts of a registered experiment; nothing is built.

    Args:
      name: A registered name.

    Returns:
      The facts.

    Raises:
      ConfigError: The name is unknown; near ones are listed.
    """
    config = get_config(name)
    return ModelInfo(
        name=name,
        family=config.model.family,
        description=config.description,
        parameters=_entry(name).parameters,
        dataset=config.data.name,
        event_shape=config.data.event_shape,
        levels=config.data.levels,
        reference=config.reference,
        pretrained=pretrained.record(name) if pretrained.exists(name) else None,
    )


def _entry(name: str) -> _Entry:
    if name not in _REGISTRY:
        raise unknown_name("model", name, _REGISTRY)
    return _REGISTRY[name]
