"""Loads the data of an experiment and checks their shape."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tfflows.data
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import override
from tfflows.zoo.running.as_trained import as_trained

# Data that a run knows by their path.
_OWN = ("csv", "parquet", "npz", "images")


def load_source(config: ExperimentConfig) -> tfflows.data.DataSource:
    """Loads the data of an experiment.

    Args:
      config: The experiment.

    Returns:
      The source with its splits.

    Raises:
      ConfigError: If the configuration names no data.
      ValueError: If the data are unknown or cannot be used.
      OSError: If they cannot be read.
    """
    data = config.data
    if data.name is None:
        raise ConfigError(
            f"expected a data set for {config.name}, got none; "
            "give one, for example --dataset=csv:mine.csv"
        )
    try:
        source = _loaded(config, data.name)
    except FileNotFoundError as error:
        prefix, colon, _ = data.name.partition(":")
        if not colon or prefix not in _OWN:
            raise
        raise FileNotFoundError(
            f"{error}; if a run's file has moved, give --dataset={prefix}:PATH to "
            "evaluate, and change data.name in its config.json to resume"
        ) from error
    return as_trained(source, data)


def _loaded(config: ExperimentConfig, name: str) -> tfflows.data.DataSource:
    data = config.data
    return tfflows.data.load(
        name,
        data_dir=data.data_dir,
        seed=data.seed,
        label_as_context=data.label_as_context,
        label_column=data.label_column,
        context_columns=data.context_columns,
        image_size=data.image_size,
        augment=data.augment,
    )


def resolve_shape(
    config: ExperimentConfig, source: tfflows.data.DataSource
) -> ExperimentConfig:
    """Checks the data's facts against the configuration, or takes them from the data.

    Args:
      config: The experiment.
      source: Its data.

    Returns:
      The configuration with the shape, levels, columns and, if they condition the
      model, names of classes of the data.

    Raises:
      ConfigError: If the configuration has another shape, other levels, columns or
        classes. Columns without names fit any.
    """
    found = (tuple(source.event_shape), source.levels)
    wanted = (config.data.event_shape, config.data.levels)
    if config.data.event_shape is not None and wanted != found:
        raise ConfigError(
            f"expected examples of shape {wanted[0]} with levels {wanted[1]} for "
            f"{config.name}, got shape {found[0]} with levels {found[1]} from "
            f"{source.name}"
        )
    if config.data.levels not in (None, source.levels):
        raise ConfigError(
            f"expected data.levels={source.levels}, as in {source.name}, or none, got "
            f"{config.data.levels}"
        )
    columns = config.data.columns or source.columns
    if columns is not None and len(columns) != math.prod(found[0]):
        raise ConfigError(
            f"expected as many data.columns as an example has values, "
            f"{math.prod(found[0])}, got {', '.join(columns)}"
        )
    if columns is not None and source.columns not in (None, columns):
        raise ConfigError(
            f"expected the columns {', '.join(columns)}, in this order, as in the "
            f"training data, got {', '.join(source.columns)} from {source.name}"
        )
    data = dataclasses.replace(
        config.data, event_shape=found[0], levels=found[1], columns=columns
    )
    return _resolve_context(dataclasses.replace(config, data=data), source)


def _resolve_context(
    config: ExperimentConfig, source: tfflows.data.DataSource
) -> ExperimentConfig:
    """The number of classes, or the size of the observations, in the configuration."""
    if not config.data.label_as_context:
        return config
    arguments, names = config.model.arguments, source.label_names
    shape = source.observation_shape
    if names is not None:
        names = config.data.label_names or names
        data = dataclasses.replace(config.data, label_names=names)
        config = dataclasses.replace(config, data=data)
        known = arguments.get("num_classes", 0)
        if known is None:
            return override(config, {"model.num_classes": len(names)})
        if 0 < known < len(names):
            raise ConfigError(
                f"expected data of {known} classes for model.num_classes, got "
                f"{len(names)} from {source.name}: {', '.join(names)}"
            )
    elif shape is not None and config.data.context_columns is None:
        # Observations that no columns name.
        known = arguments.get("context_dim", 0)
        return override(config, {"model.context_dim": known or math.prod(shape)})
    return config


def initial_batch(source: tfflows.data.DataSource, limit: int) -> Any:
    """Returns the first training examples, for a model's data-dependent start.

    Args:
      source: The data.
      limit: Number of examples.

    Returns:
      An argument for `initialize`.
    """
    x = source.arrays("train", limit=limit)
    if not source.label_as_context:
        return x
    return {"x": x, "context": source.labels("train", limit=limit)}
