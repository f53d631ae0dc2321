"""Flags that the zoo's binaries share, and the model that they name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from absl import flags

from tfflows.system import command_line
from tfflows.system.command_line import call, parse, refuse_unused, run
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import override
from tfflows.zoo.registry import describe, get_config
from tfflows.zoo.shelf import pretrained

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = [
    "add_strategy_flags",
    "call",
    "data_changes",
    "new_flags",
    "parse",
    "refuse_unused",
    "run",
    "strategy",
    "trained_model",
]

_FILE_KINDS = ("csv", "npz", "parquet", "images")
_STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


def new_flags(*, model_dir: str) -> flags.FlagValues:
    """Returns the flags that every binary has.

    Args:
      model_dir: Help text of --model_dir.

    Returns:
      --help, --helpfull, --version, --model, --model_dir, --dataset and --data_dir; a
      binary adds its own.
    """
    values = command_line.new_flags(
        model="Name of a registered model.",
        model_dir=model_dir,
        dataset="Data set: a toy density, digits, a TFDS builder (mnist, tfds:NAME), "
        "or your own csv:PATH, npz:PATH, parquet:PATH, images:PATH. Default: the "
        "model's own.",
        data_dir="Folder of prepared TFDS data. Default: TFDS_DATA_DIR.",
    )
    command_line.add_version_flag(values)
    return values


def add_scale_flag(values: flags.FlagValues) -> None:
    """Defines --scale, the size of images in a picture."""
    flags.DEFINE_integer(
        "scale",
        None,
        "Side of the square that an image's pixel becomes in a .png. Default: an image "
        "becomes 96 pixels high, or somewhat more.",
        1,
        flag_values=values,
    )


def add_strategy_flags(values: flags.FlagValues) -> None:
    """Adds the flags that choose where a binary computes.

    Args:
      values: The binary's flags; this adds --strategy, --tpu and --cpu_devices.
    """
    flags.DEFINE_enum(
        "strategy",
        "auto",
        list(_STRATEGIES),
        "Where to compute: mirrored is all GPUs of this machine, multi_worker the "
        "cluster of the environment variable TF_CONFIG; auto takes what is there.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "tpu", None, "Name or address of the TPU, or local.", flag_values=values
    )
    flags.DEFINE_integer(
        "cpu_devices",
        None,
        "Number of logical CPU devices, to try replicas without GPUs.",
        flag_values=values,
    )


def strategy(values: flags.FlagValues) -> tf.distribute.Strategy:
    """Returns the strategy that the flags name; call it before other TensorFlow code.

    Args:
      values: Parsed flags.

    Returns:
      The strategy.

    Raises:
      ValueError: If the devices or the cluster do not exist.
    """
    command_line.start_tensorflow()
    from tfflows import training

    if values.cpu_devices is not None:
        training.set_cpu_devices(values.cpu_devices)
    return training.make_strategy(values.strategy, values.tpu)


def require_model(values: flags.FlagValues) -> None:
    """Raises ConfigError for flags that name no trained model; needs no TensorFlow.

    Raises:
      ConfigError: If --model_dir and --model are both given or both missing, or the
        model is unknown or has no weights.
    """
    if bool(values.model_dir) == bool(values.model):
        raise ConfigError(
            "expected either --model_dir of a training run or --model with trained "
            f"weights ({', '.join(pretrained.names())})"
        )
    if values.model:
        describe(values.model)  # raises for an unknown name
        pretrained.record(values.model)  # fetches nothing yet


def trained_model(
    values: flags.FlagValues,
) -> tuple[keras.Model, ExperimentConfig, dict[str, Any]]:
    """Loads the trained model that --model_dir or --model names.

    Args:
      values: Parsed flags.

    Returns:
      The model, its configuration with the data that the flags name, and the progress
      of the training run ({} for shipped weights).

    Raises:
      ConfigError: See `require_model`.
      OSError, ValueError: If the training run cannot be read.
    """
    require_model(values)
    command_line.start_tensorflow()
    from tfflows.zoo.factory import create
    from tfflows.zoo.running import run_dir

    if values.model_dir:
        model, config, progress = run_dir.restore(values.model_dir)
    else:
        model, progress = create(values.model, weights="pretrained"), {}
        config = get_config(values.model)
    return model, override(config, data_changes(values)), progress


def data_changes(values: flags.FlagValues) -> dict[str, str]:
    """Returns the overrides that --dataset and --data_dir stand for.

    Args:
      values: Parsed flags.

    Returns:
      Overrides by dotted name. Paths are absolute, so that config.json holds in any
      working folder.
    """
    changes = {}
    if values.dataset:
        kind, _, path = values.dataset.partition(":")
        if kind in _FILE_KINDS:
            changes["data.name"] = f"{kind}:{_absolute(path)}"
        else:
            changes["data.name"] = values.dataset
    if values.data_dir:
        changes["data.data_dir"] = _absolute(values.data_dir)
    return changes


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))
