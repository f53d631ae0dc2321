"""Builds models by name, with new, shipped or saved weights."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import h5py
import keras

from tfflows.families.parts.stacking import copy_weights
from tfflows.system import files
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import first_difference, override
from tfflows.zoo.registry import get_config
from tfflows.zoo.running import run_dir
from tfflows.zoo.shelf import pretrained

# Arguments of `create` that belong to the data, not to the model.
_DATA_FIELDS = ("event_shape", "levels")
# Fields in which the requested configuration may differ from that of the weights.
_NOT_OF_THE_MODEL = (
    "name",
    "trainer",
    "model.backprop",
    "model.stacked",
    "data.name",
    "data.seed",
    "data.data_dir",
    "data.label_column",
    "data.label_names",
    "data.image_size",
    "data.augment",
    "description",
    "reference",
)


def create(
    name: str, weights: str | os.PathLike | None = None, **overrides: Any
) -> keras.Model:
    """Builds a registered model.

    Args:
      name: A registered name (`tfflows.zoo.list_models`).
      weights: None for new weights, "pretrained" for trained ones (which ship, or are
        fetched: `tfflows.zoo.shelf.pretrained`), or a path: a `.weights.h5` or `.keras`
        file, or the model_dir of a training run.
      **overrides: Fields of the model by name (`num_couplings=4`), `event_shape=` and
        `levels=`, or dotted names (`**{"model.num_couplings": 4}`).

    Returns:
      The model with its weights.

    Raises:
      ConfigError: If a name is unknown, a value does not fit, or the weights belong to
        another configuration.
      OSError: If there is no such weight file, or it cannot be fetched.
      ValueError: If the weight file cannot be read or belongs to another model.
    """
    config = override(get_config(name), {_dotted(k): v for k, v in overrides.items()})
    if weights is None:
        return config.build()
    if weights == "pretrained":
        pretrained.record(name)  # raises for a model without any
        _require_same_model(config, get_config(name), "the pretrained weights")
        return _with_weights(config, pretrained.path(name))
    path = files.path(weights)
    if not path.exists():
        raise FileNotFoundError(
            f"expected 'pretrained' or a path for weights, got {weights}: no such file"
        )
    if path.is_dir():
        model, trained, _ = run_dir.restore(path)
        _require_same_model(config, trained, str(path))
        return model
    return _with_weights(config, path)


def load(model_dir: str | os.PathLike) -> keras.Model:
    """Loads the model of a training run with its best weights.

    Args:
      model_dir: The folder that `tfflows-train` wrote.

    Returns:
      The model.

    Raises:
      OSError: If the folder has no config.json.
      ValueError: If the configuration or the checkpoint cannot be used.
    """
    return run_dir.restore(model_dir)[0]


def _dotted(name: str) -> str:
    if "." in name:
        return name
    return f"data.{name}" if name in _DATA_FIELDS else f"model.{name}"


def _require_same_model(
    config: ExperimentConfig, trained: ExperimentConfig, source: str
) -> None:
    """Raises ConfigError for weights of another model, which might load anyway."""
    difference = first_difference(config, trained, _NOT_OF_THE_MODEL)
    if difference:
        raise ConfigError(
            f"expected weights of this model, got those of another in {source}; "
            f"first difference, wanted and found: {difference}"
        )


def _with_weights(config: ExperimentConfig, path: pathlib.Path) -> keras.Model:
    model = config.build()
    try:
        if path.suffix == ".keras":
            copy_weights(keras.saving.load_model(path), model)
        else:
            _require_as_many_numbers(path, model)
            _load_weights(model, config, path)
    except Exception as error:  # a broken file can raise any error
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"expected weights of {config.name} in {path}: {reason}"
        ) from error
    return model


def _load_weights(
    model: keras.Model, config: ExperimentConfig, path: pathlib.Path
) -> None:
    try:
        model.load_weights(path)
    except ValueError:
        # Version 0.1.0 saved weights of steps that are not stacked.
        if "stacked" not in config.model.arguments:
            raise
        change = {"model.stacked": not config.model.stacked}
        other = override(config, change).build()
        try:
            other.load_weights(path)
        except ValueError:
            other = None
        if other is None:
            raise  # the error of the requested model
        copy_weights(other, model)


def _require_as_many_numbers(path: pathlib.Path, model: keras.Model) -> None:
    """Raises ValueError for more weights in the file: Keras would load some of them."""
    sizes: dict[str, int] = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        # A compiled model also saves the state of its optimizer.
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            sizes[name] = item.size

    with h5py.File(path) as file:
        file.visititems(add)
    # Version 0.1.0 also saved the unused weights of the step in a `Repeated`.
    stacks = {name.rpartition("vars/")[0] for name in sizes}
    patterns = tuple(f"{layer}step/" for layer in stacks)
    count = sum(n for name, n in sizes.items() if not name.startswith(patterns))
    if count != model.count_params():
        raise ValueError(f"expected {model.count_params()} numbers, got {count}")
