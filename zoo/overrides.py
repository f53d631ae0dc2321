"""Turns configurations into dicts and back, and changes fields by dotted names."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from tfflows.zoo import families
from tfflows.zoo.config import ExperimentConfig, ModelConfig
from tfflows.zoo.convert import convert
from tfflows.zoo.errors import ConfigError, unknown_name

_Config = TypeVar("_Config")


def to_dict(config: ExperimentConfig) -> dict[str, Any]:
    """Returns a dict of plain values, ready for JSON.

    Args:
      config: The configuration.

    Returns:
      Nested dicts. The model's includes its family; tuples become lists.
    """
    plain = dataclasses.asdict(config)
    plain["model"] = {"family": config.model.family, **config.model.arguments}
    return json.loads(json.dumps(plain))


def from_dict(values: Mapping[str, Any]) -> ExperimentConfig:
    """Returns the configuration of a dict from `to_dict`; missing fields get defaults.

    Args:
      values: Nested mappings, for example read from a config.json.

    Returns:
      The configuration.

    Raises:
      ConfigError: If a field is unknown, absent without a default, or of a wrong type.
    """
    return _build(ExperimentConfig, values, "")


def from_saved(values: Mapping[str, Any]) -> ExperimentConfig:
    """Returns the configuration that a run saved, maybe with an older version.

    Args:
      values: The content of its config.json.

    Returns:
      The configuration. Keywords of the model that were added later have the values
      that build the saved model.

    Raises:
      ConfigError: See `from_dict`.
    """
    model = values.get("model") if isinstance(values, Mapping) else None
    if not isinstance(model, Mapping):
        return from_dict(values)
    model = families.as_saved(model.get("family", "none"), model)
    return from_dict({**values, "model": model})


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """Splits `--set` arguments.

    Args:
      assignments: Texts like "trainer.epochs=2".

    Returns:
      The texts of the values by dotted name.

    Raises:
      ConfigError: If one does not have the form key=value.
    """
    values = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"expected key=value, got {assignment!r}")
        values[key.strip()] = value.strip()
    return values


def override(config: ExperimentConfig, changes: Mapping[str, Any]) -> ExperimentConfig:
    """Returns the configuration with some fields changed.

    Args:
      config: The configuration, which does not change.
      changes: Values (or their text) by dotted name, for example
        {"trainer.epochs": 2, "model.hidden_units": "64,64"}.

    Returns:
      The changed configuration.

    Raises:
      ConfigError: If a name is unknown (it lists similar ones) or a type is wrong.
    """
    return functools.reduce(_override_one, changes.items(), config)


def field_names(config: ExperimentConfig) -> list[str]:
    """Lists the dotted names that `override` takes.

    Args:
      config: The configuration; the model's family determines the model's fields.

    Returns:
      Names like "trainer.epochs".
    """
    return [f"model.{name}" for name in config.model.arguments] + [
        f"{part}.{field.name}"
        for part in ("data", "trainer")
        for field in dataclasses.fields(getattr(config, part))
    ]


def first_difference(
    one: ExperimentConfig, other: ExperimentConfig, ignored: tuple[str, ...] = ()
) -> str | None:
    """Finds the first field in which two configurations differ.

    Args:
      one: A configuration.
      other: Another.
      ignored: Prefixes of the dotted names of fields that may differ.

    Returns:
      For example "trainer.epochs: 2 and 3", with the value of `one` first; None if they
      are equal.
    """
    flat, flat_other = _flatten(to_dict(one)), _flatten(to_dict(other))
    for name in flat | flat_other:
        value, value_other = flat.get(name), flat_other.get(name)
        if value != value_other and not name.startswith(ignored):
            return f"{name}: {value!r} and {value_other!r}"
    return None


def _override_one(
    config: ExperimentConfig, change: tuple[str, Any]
) -> ExperimentConfig:
    name, value = change
    known = field_names(config)
    if name not in known:
        # A user who leaves the part out most likely means the field with that name.
        near = [k for k in known if k.endswith(f".{name}")]
        raise unknown_name("field", name, near or known)
    part, field = name.split(".")
    section = getattr(config, part)
    if isinstance(section, ModelConfig):
        changed = {"arguments": {**section.arguments, field: value}}
    else:
        annotation = typing.get_type_hints(type(section))[field]
        changed = {field: convert(value, annotation, name)}
    section = dataclasses.replace(section, **changed)
    return dataclasses.replace(config, **{part: section})


def _build(kind: type[_Config], values: Any, prefix: str) -> _Config:
    if not isinstance(values, Mapping):
        raise ConfigError(f"expected a mapping for {prefix or 'config'}, got {values}")
    if kind is ModelConfig:
        arguments = {name: v for name, v in values.items() if name != "family"}
        return typing.cast(Any, kind)(values.get("family", "none"), arguments)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, kind))}
    for name in values:
        if name not in fields:
            raise unknown_name(f"field of {prefix or 'config'}", name, fields)
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigError(f"expected a value for {_join(prefix, name)}, got none")
    arguments = {
        name: _build(hints[name], value, name)
        if dataclasses.is_dataclass(hints[name])
        else convert(value, hints[name], _join(prefix, name))
        for name, value in values.items()
    }
    return kind(**arguments)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flatten(value, _join(prefix, name)))
        else:
            flat[_join(prefix, name)] = value
    return flat
