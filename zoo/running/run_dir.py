"""The folder of a training run: its files, and loading from them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import sys
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfflows.system import files, locks
from tfflows.training import checkpoint_callback
from tfflows.zoo import overrides
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError

CONFIG = "config.json"
EVALUATION = "evaluation.json"
HISTORY = "history.csv"
LOGS = "logs"
CHECKPOINTS = "checkpoints"
_LOCK = ".lock"
# Errors of a model whose config.json, maybe edited, cannot be built.
_UNFIT = (ValueError, TypeError, ArithmeticError, MemoryError, tf.errors.OpError)

# Fields of the data that version 0.1.0 did not record.
_LATER = ("label_names", "augment")
# Fields that change no result: a resumed run may have its data elsewhere, or save more
# often. `going_on` keeps its steps stacked, or not, as they are.
MAY_DIFFER = (
    "model.stacked",
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
      OSError: If the folder has no config.json.
      ValueError: If that is not a configuration.
    """
    path = files.path(model_dir) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a model_dir of tfflows-train, got {model_dir}: no {CONFIG} there"
        )
    try:
        return overrides.from_saved(files.read_json(path))
    except ValueError as error:
        raise ValueError(
            f"expected a configuration in {path}: {error}; the command that trained "
            "it writes the same to a new --model_dir, to be copied from there"
        ) from error


def going_on(
    model_dir: str | os.PathLike, config: ExperimentConfig
) -> ExperimentConfig:
    """Returns the configuration with which the run in a folder continues.

    Args:
      model_dir: The folder, which need not exist.
      config: The requested configuration.

    Returns:
      The same, but with steps stacked, or not, as in the folder's run, and without the
      fields of the data that an older version did not record.

    Raises:
      ValueError: If the folder's config.json is not a configuration.
    """
    if not (files.path(model_dir) / CONFIG).is_file():
        return config
    saved = read_config(model_dir)
    for name in _LATER:
        if getattr(saved.data, name) is None:
            config = overrides.override(config, {f"data.{name}": None})
    there = saved.model
    if there.family != config.model.family or "stacked" not in there.arguments:
        return config
    return overrides.override(config, {"model.stacked": there.stacked})


@contextlib.contextmanager
def claimed(
    model_dir: str | os.PathLike, config: ExperimentConfig, *, writes: bool = True
) -> Iterator[None]:
    """Context manager that reserves a folder for this process's training run.

    Args:
      model_dir: A new or empty folder, or one of a run of the same configuration.
      config: The configuration of the run.
      writes: Whether this process writes to the folder; of several workers, only the
        chief does.

    Yields:
      Nothing; `config.json` exists.

    Raises:
      ConfigError: If the folder belongs to another configuration or to something else;
        nothing in it has changed.
      ValueError: If another process trains there.
    """
    if not writes:
        yield
        return
    folder = files.path(model_dir)
    _check(folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    me = f"process {os.getpid()} on {socket.gethostname()}"
    with locks.lock(folder / _LOCK, me) as holder:
        if holder:
            raise ValueError(
                f"expected a model_dir that nobody trains in, got {folder}, which "
                f"{holder} holds; wait for its end, or choose another --model_dir"
            )
        _check(folder, config)  # another process may have come first
        locks.sweep(folder, files.SCRATCH)
        if not (folder / CONFIG).is_file():
            files.write_json(folder / CONFIG, overrides.to_dict(config))
        yield


def _check(folder: pathlib.Path, config: ExperimentConfig) -> None:
    """Raises ConfigError unless the folder is new, empty or of this configuration."""
    if (folder / CONFIG).is_file():
        difference = overrides.first_difference(read_config(folder), config, MAY_DIFFER)
        if difference:
            raise ConfigError(
                f"expected a model_dir of this configuration, got {folder} of another; "
                f"first difference, there and here: {difference}; a run goes on only "
                "unchanged: choose a new --model_dir"
            )
        return
    # A process that was killed at its start leaves only these.
    ours = (_LOCK, files.SCRATCH)
    if folder.exists() and not (
        folder.is_dir() and all(name.startswith(ours) for name in os.listdir(folder))
    ):
        raise ConfigError(
            f"expected a new or empty model_dir, got {folder}, which has no {CONFIG} "
            "but is not empty; choose a new --model_dir"
        )


def keep_history(model_dir: str | os.PathLike, finished_epochs: int) -> None:
    """Removes rows from history.csv that a resumed run will write again.

    If the file is broken, for example after a power cut, it is renamed, with a message
    on standard error.

    Args:
      model_dir: The folder.
      finished_epochs: Number of epochs whose rows stay, except half-written ones.
    """
    path = files.path(model_dir) / HISTORY
    if not path.exists() or (not finished_epochs and not path.stat().st_size):
        return
    try:
        text = path.read_bytes().decode("utf-8")  # keeps line ends
    except UnicodeDecodeError:
        text = ""
    header, *rows = text.splitlines(keepends=True) or [""]
    if not header.startswith("epoch,"):
        aside = path.with_name(f"{HISTORY}.broken")
        path.replace(aside)
        print(
            f"expected rows of epochs in {path}, got something else, which is now in "
            f"{aside}; going on with a new one",
            file=sys.stderr,
        )
        return
    finished = {str(epoch) for epoch in range(finished_epochs)}
    kept = [row for row in rows if row.split(",")[0] in finished and row[-1] == "\n"]
    files.write_text(path, "".join([header, *kept]))


def restore(
    model_dir: str | os.PathLike,
) -> tuple[keras.Model, ExperimentConfig, dict[str, Any]]:
    """Builds the model of a training run with its best weights.

    Args:
      model_dir: The folder.

    Returns:
      The model, its configuration, and {"epoch", "step"} of the weights.

    Raises:
      OSError: If the folder has no config.json.
      ValueError: If the configuration or the checkpoint cannot be used.
    """
    config = read_config(model_dir)
    try:
        model = config.build()
    except _UNFIT as error:
        raise ValueError(
            f"expected a configuration in {files.path(model_dir) / CONFIG} of which a "
            f"model can be built: {error}"
        ) from error
    folder = files.path(model_dir) / CHECKPOINTS
    progress = checkpoint_callback.restore_best(model, folder)
    return model, config, progress
