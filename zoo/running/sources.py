"""Loads the data of an experiment and checks their shape."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tfflows.data
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError


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
    return tfflows.data.load(
        data.name,
        data_dir=data.data_dir,
        seed=data.seed,
        label_as_context=data.label_as_context,
    )


def resolve_shape(
    config: ExperimentConfig, source: tfflows.data.DataSource
) -> ExperimentConfig:
    """Checks shape, levels and columns against the data, or takes them from the data.

    Args:
      config: The experiment.
      source: Its data.

    Returns:
      The configuration with the shape, levels and columns of the data.

    Raises:
      ConfigError: If the configuration has another shape, other levels or other
        columns. Columns without names fit any.
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
    return dataclasses.replace(config, data=data)


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
