"""The folder of a training run: what lies where in it, and reading it back."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import keras

from tfflows.training import callbacks
from tfflows.zoo import files, overrides
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError

CONFIG = "config.json"
EVALUATION = "evaluation.json"
HISTORY = "history.csv"
LOGS = "logs"
CHECKPOINTS = "checkpoints"

# What changes no result: a resumed run may find its data elsewhere, or save more often.
MAY_DIFFER = (
    "data.data_dir",
    "trainer.keep",
    "trainer.checkpoint_steps",
    "description",
    "reference",
)


def read_config(model_dir: str | os.PathLike) -> ExperimentConfig:
    """Reads the configuration of a training run.

    Args:
      model_dir: The folder.

    Returns:
      The configuration.

    Raises:
      OSError: The folder has no config.json.
      ValueError: That is not a configuration.
    """
    path = pathlib.Path(model_dir) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a model_dir of tfflows-train, got {model_dir}: no {CONFIG} there"
        )
    values = files.read_json(path)
    try:
        return overrides.from_dict(values)
    except ConfigError as error:
        raise ValueError(f"expected a configuration in {path}: {error}") from error


def claim(model_dir: str | os.PathLike, config: ExperimentConfig) -> None:
    """Takes a folder for a training run; a folder of the same run stays as it is.

    Args:
      model_dir: A new or empty folder, or one of a run of the same configuration.
      config: The configuration of the run.

    Raises:
      ConfigError: The folder belongs to another configuration or to something else;
        nothing in it was changed.
    """
    folder = pathlib.Path(model_dir)
    if (folder / CONFIG).is_file():
        difference = overrides.first_difference(read_config(folder), config, MAY_DIFFER)
        if difference:
            raise ConfigError(
                f"expected a model_dir of this configuration, got {folder} of another; "
                f"first difference, there and here: {difference}; a run goes on only "
                "unchanged: choose a new --model_dir"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"expected a new or empty model_dir, got {folder}, which has no {CONFIG} "
            "but is not empty; choose a new --model_dir"
        )
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / CONFIG, overrides.to_dict(config))


def keep_history(model_dir: str | os.PathLike, finished_epochs: int) -> None:
    """Drops what a resumed run will write again from its history.csv.

    Args:
      model_dir: The folder.
      finished_epochs: Number of epochs whose rows stay; half-written rows go.
    """
    path = pathlib.Path(model_dir) / HISTORY
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:  # line ends stay as they are
        header, *rows = list(file) or [""]
    finished = {str(epoch) for epoch in range(finished_epochs)}
    kept = [row for row in rows if row.split(",")[0] in finished and row[-1] == "\n"]
    with files.replacing(path) as temporary:
        temporary.write_bytes("".join([header, *kept]).encode("utf-8"))


def restore(
    model_dir: str | os.PathLike,
) -> tuple[keras.Model, ExperimentConfig, dict[str, Any]]:
    """Builds the model of a training run with its best weights.

    Args:
      model_dir: The folder.

    Returns:
      The model, its configuration, and {"epoch", "step"} of the weights.

    Raises:
      OSError: The folder has no config.json.
      ValueError: The configuration or the checkpoint cannot be used.
    """
    config = read_config(model_dir)
    model = config.build()
    progress = callbacks.restore_best(model, pathlib.Path(model_dir) / CHECKPOINTS)
    return model, config, progress
