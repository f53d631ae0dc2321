"""Collects the provenance of a trained model for its export."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tfflows.data.table import licence as data_licence
from tfflows.provenance import Provenance
from tfflows.system import files
from tfflows.zoo import overrides
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.registry import get_config, list_models
from tfflows.zoo.running import run_dir
from tfflows.zoo.shelf import pretrained

_FILE_KINDS = ("csv", "npz", "parquet", "images")


def of_run(model_dir: str | os.PathLike) -> Provenance:
    """Returns the provenance of the model in the folder of a training run.

    Args:
      model_dir: The folder.

    Raises:
      OSError, ValueError: If the folder cannot be read.
    """
    config = run_dir.read_config(model_dir)
    path = files.path(model_dir) / run_dir.EVALUATION
    try:
        metrics = files.read_json(path) if path.is_file() else None
    except ValueError as error:
        raise ValueError(f"{error}; tfflows-evaluate writes it anew") from error
    commands = {}
    if metrics:
        split = metrics.get("split", "test")
        chosen = "" if split == "test" else f" --split={split}"
        commands["evaluate"] = f"tfflows-evaluate --model_dir=RUN{chosen}"
    if _is_registered(config):
        commands["train"] = f"tfflows-train --model={config.name} --model_dir=RUN"
    return _provenance(config, metrics, commands)


def of_registered(name: str, weights: str | None = None) -> Provenance:
    """Returns the provenance of a registered model.

    Args:
      name: A registered name.
      weights: See `tfflows.zoo.create`; only "pretrained" has figures.

    Raises:
      ConfigError: If the name is unknown.
    """
    if weights is not None and os.path.isdir(weights):
        return of_run(weights)
    config = get_config(name)
    if weights != "pretrained":
        return _provenance(config, None, {})
    record = pretrained.record(name)
    evaluate = f"tfflows-evaluate --model={name}"
    commands = {"train": record["command"], "evaluate": evaluate}
    return _provenance(config, record["evaluation"], commands)


def _provenance(
    config: ExperimentConfig,
    metrics: Mapping[str, Any] | None,
    commands: Mapping[str, str],
) -> Provenance:
    values = overrides.to_dict(config)
    # An export goes to others, so it holds no paths of the training machine.
    values["data"] |= {"name": _without_folder(config.data.name), "data_dir": None}
    if metrics is not None and "dataset" in metrics:
        metrics = {**metrics, "dataset": _without_folder(metrics["dataset"])}
    return Provenance(
        model=config.name,
        training_data=values["data"]["name"],
        data_licence=data_licence(config.data.name),
        columns=config.data.columns,
        metrics=metrics,
        commands=commands,
        config=values,
    )


def _without_folder(name: str | None) -> str | None:
    """Returns the name of a data set, with only the last part of a path."""
    kind, separator, path = (name or "").partition(":")
    if kind in _FILE_KINDS:
        return f"{kind}{separator}{pathlib.PurePath(path).name}"
    return name


def _is_registered(config: ExperimentConfig) -> bool:
    if config.name not in list_models():
        return False
    return not overrides.first_difference(
        config, get_config(config.name), (*run_dir.MAY_DIFFER, "data.label_names")
    )
