"""The registry: names of experiments, their configurations and descriptions.

For example::

    @register("realnvp_mine", parameters=1234)
    def _realnvp_mine() -> ExperimentConfig:
        return ExperimentConfig(name="realnvp_mine", ...)

Import the module, and you can use the name like the built-in ones. Those are rows of
keywords. The registry builds, checks and imports nothing for them until it is needed,
so programs list and describe them at once.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfflows.system import files
from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.errors import unknown_name
from tfflows.zoo.reference import Reference
from tfflows.zoo.shelf import pretrained

ConfigFunction = Callable[[], ExperimentConfig]


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """Facts about a registered model, known without building it.

    Attributes:
      name: The registered name.
      family: For example "realnvp".
      description: One sentence.
      parameters: Number of trainable parameters; None: it depends on the data.
      dataset: Name of the data set; None: the user's own.
      event_shape: Shape of one example; None: taken from the data.
      levels: Number of levels of integer data; None for continuous data.
      reference: Figures of this architecture and data, by name.
      pretrained: The record of the trained weights; None: there are none.
      references: All figures to compare with, with units and sources.
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
    references: tuple[Reference, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Row:
    """An experiment as keywords; `_Row.config` checks them."""

    name: str
    family: str
    arguments: Mapping[str, Any]
    data: DataConfig
    trainer: TrainerConfig
    description: str
    references: tuple[Reference, ...]

    @property
    def reference(self) -> Mapping[str, float]:
        return {r.name: r.value for r in self.references if r.same_model}

    def config(self) -> ExperimentConfig:
        return ExperimentConfig(
            self.name,
            ModelConfig(self.family, self.arguments),
            self.data,
            self.trainer,
            self.description,
            self.reference,
        )


@dataclasses.dataclass(frozen=True)
class _Entry:
    make_config: ConfigFunction
    parameters: int | None = None
    row: _Row | None = None


# Trainable parameters by name; `python -m tfflows.zoo.parameters` counts them.
PARAMETERS = pathlib.Path(__file__).with_name("parameters.json")
_REGISTRY: dict[str, _Entry] = {}


def add(
    name: str,
    family: str,
    *,
    data: DataConfig,
    trainer: TrainerConfig,
    description: str,
    references: Sequence[Reference] = (),
    **arguments: Any,
) -> None:
    """Registers a built-in experiment; see `ExperimentConfig`.

    Args:
      name: <family>_<data set>.
      family: The model's family.
      data: The data's configuration.
      trainer: The training's configuration.
      description: One sentence about the experiment.
      references: Figures to compare with.
      **arguments: Arguments for the family's builder.

    Raises:
      KeyError: If the name is registered already.
    """
    row = _Row(name, family, arguments, data, trainer, description, tuple(references))
    _enter(name, _Entry(row.config, row=row))


def register(
    name: str, *, parameters: int | None = None
) -> Callable[[ConfigFunction], ConfigFunction]:
    """Registers a function that returns the configuration of an experiment.

    Args:
      name: <family>_<data set>; also the `name` of the configuration.
      parameters: Number of trainable parameters of the configured model, so that
        `describe` need not build it; None if it depends on the data.

    Returns:
      A decorator that returns the function itself.

    Raises:
      KeyError: If the name is registered already.
    """
    _require_new(name)

    def decorator(make_config: ConfigFunction) -> ConfigFunction:
        _enter(name, _Entry(make_config, parameters))
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
      ConfigError: If the name is unknown; near ones are listed.
    """
    return _entry(name).make_config()


def describe(name: str) -> ModelInfo:
    """Returns the facts about a registered experiment without building it.

    Args:
      name: A registered name.

    Returns:
      The facts.

    Raises:
      ConfigError: If the name is unknown; near ones are listed.
    """
    entry = _entry(name)
    facts = entry.row or entry.make_config()
    family = facts.family if isinstance(facts, _Row) else facts.model.family
    return ModelInfo(
        name=name,
        family=family,
        description=facts.description,
        parameters=entry.parameters or recorded_parameters().get(name),
        dataset=facts.data.name,
        event_shape=facts.data.event_shape,
        levels=facts.data.levels,
        reference=facts.reference,
        references=entry.row.references if entry.row else (),
        pretrained=pretrained.record(name) if pretrained.exists(name) else None,
    )


@functools.cache
def recorded_parameters() -> Mapping[str, int]:
    """Returns the numbers of trainable parameters of built-in models.

    Returns:
      Numbers by name, without models whose number depends on the data.
    """
    return files.read_json(PARAMETERS)


def _enter(name: str, entry: _Entry) -> None:
    _require_new(name)
    _REGISTRY[name] = entry


def _require_new(name: str) -> None:
    if name in _REGISTRY:
        raise KeyError(f"expected a new name, got {name!r}, which is registered")


def _entry(name: str) -> _Entry:
    if name not in _REGISTRY:
        raise unknown_name("model", name, _REGISTRY)
    return _REGISTRY[name]
