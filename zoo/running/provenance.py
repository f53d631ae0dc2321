"""Where a trained model comes from, as its export tells: data, figures, commands."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tfflows.data.table import licence as data_licence
from tfflows.provenance import Provenance
from tfflows.system import files
from tfflows.zoo import overrides, pretrained
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.registry import get_config, list_models
from tfflows.zoo.running import run_dir

_FILE_KINDS = ("csv", "npz", "parquet", "images")


def of_run(model_dir: str | os.PathLike) -> Provenance:
    """What the folder of a training run says of its model.

    Args:
      model_dir: The folder.

    Raises:
      OSError, ValueError: The folder cannot be read.
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
    """What the registry says of a model.

    Args:
      name: A registered name.
      weights: As in `tfflows.zoo.create`; figures are known of "pretrained".

    Raises:
      ConfigError: The name is unknown.
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
    # An export goes to others: paths of the machine that trained do not.
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
    """The name of a data set with only the last part of a path in it."""
    kind, separator, path = (name or "").partition(":")
    if kind in _FILE_KINDS:
        return f"{kind}{separator}{pathlib.PurePath(path).name}"
    return name


def _is_registered(config: ExperimentConfig) -> bool:
    if config.name not in list_models():
        return False
    return not overrides.first_difference(
        config, get_config(config.name), run_dir.MAY_DIFFER
    )
