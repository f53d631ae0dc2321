"""Copies the best weights of a training run into the package, with their figures.

Run `python -m tfflows.zoo.shelf.publish --model_dir=DIR` in a checkout. Afterwards,
`tfflows.zoo.create(name, weights="pretrained")` finds the weights.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
from absl import flags

from tfflows.families.parts.stacking import copy_weights
from tfflows.system import command_line, files
from tfflows.zoo import cli
from tfflows.zoo.config import ExperimentConfig, TrainerConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import first_difference
from tfflows.zoo.registry import get_config
from tfflows.zoo.running import evaluation, run_dir
from tfflows.zoo.shelf import pretrained

_MOST_NATS = 0.5  # that half precision may cost
_PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")

FLAGS = command_line.new_flags(
    model_dir="Folder of a finished training run.",
    commit="Commit that trained it. Default: the checkout's own.",
)
flags.DEFINE_bool(
    "half", False, "Store the weights in half precision.", flag_values=FLAGS
)


def main(argv: Sequence[str]) -> None:
    """Copies the weights and writes their record.

    Args:
      argv: Not used, because flags give all arguments.

    Raises:
      ConfigError: If there is no --model_dir, or its model or data differ from the
        registered ones.
      ValueError: If half precision costs more than 0.5 nats.
    """
    del argv
    if not FLAGS.model_dir:
        raise ConfigError("expected --model_dir of a training run")
    model, config, progress = run_dir.restore(FLAGS.model_dir)
    registered = get_config(config.name)
    may_differ = (*run_dir.MAY_DIFFER, "trainer")
    difference = first_difference(config, registered, may_differ)
    if difference:
        raise ConfigError(
            f"expected the registered configuration of {config.name}; first "
            f"difference, there and registered: {difference}"
        )
    model = _as_registered(model, config, registered)
    config = dataclasses.replace(config, model=registered.model)
    record_path = pretrained.record_path(config.name)
    record_path.parent.mkdir(exist_ok=True)
    with files.scratch(record_path.parent) as folder:
        file = folder / "new.weights.h5"
        metrics = _stored(model, config, progress, file)
        record = _record(config, registered.trainer, file, metrics)
        place = pretrained.weights_path(config.name, record["bytes"])
        place.parent.mkdir(exist_ok=True)
        file.replace(place)
    files.write_json(record_path, record)
    print(place)


def _as_registered(
    model: keras.Model, config: ExperimentConfig, registered: ExperimentConfig
) -> keras.Model:
    if config.model == registered.model:
        return model
    # Only one of them has stacked steps.
    published = dataclasses.replace(config, model=registered.model).build()
    copy_weights(model, published)
    return published


def _stored(
    model: keras.Model,
    config: ExperimentConfig,
    progress: dict[str, Any],
    file: pathlib.Path,
) -> dict[str, Any]:
    """Writes the weights, and returns the figures of what was written."""
    # Before the evaluation, which compiles and so would add an optimizer.
    model.save_weights(file)
    metrics = evaluation.evaluate(model, config, "test", progress)
    if not FLAGS.half:
        return metrics
    _halve(file)
    stored = config.build()
    stored.load_weights(file)
    halved = evaluation.evaluate(stored, config, "test", progress)
    cost = halved["nll"] - metrics["nll"]
    if not cost <= _MOST_NATS:
        raise ValueError(
            f"expected half precision to cost at most {_MOST_NATS} nats, got "
            f"{cost:.3f}; publish without --half"
        )
    return halved


def _halve(file: pathlib.Path) -> None:
    """Stores the floating-point numbers of an HDF5 file as float16."""

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group):
            copy = halved.require_group(name)
        else:
            value = item[()]
            floating = np.issubdtype(item.dtype, np.floating)
            copy = halved.create_dataset(
                name, data=value.astype(np.float16) if floating else value
            )
        copy.attrs.update(item.attrs)

    with (
        files.replacing(file) as temporary,
        h5py.File(file) as full,
        h5py.File(temporary, "w") as halved,
    ):
        halved.attrs.update(full.attrs)
        full.visititems(add)


def _record(
    config: ExperimentConfig,
    registered: TrainerConfig,
    file: pathlib.Path,
    metrics: dict[str, Any],
) -> dict[str, Any]:
    changes = [
        f" --set=trainer.{field.name}={getattr(config.trainer, field.name)}"
        for field in dataclasses.fields(registered)
        if getattr(config.trainer, field.name) != getattr(registered, field.name)
    ]
    name = config.name
    return {
        "command": f"tfflows-train --model={name} --model_dir=runs/{name}"
        + "".join(changes),
        "evaluation": metrics,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {p: importlib.metadata.version(p) for p in _PACKAGES},
        "commit": FLAGS.commit or _commit(),
        "hours": round(_seconds(files.path(FLAGS.model_dir)) / 3600, 2),
        "processors": os.cpu_count(),
        "sha256": pretrained.sha256(file),
        "bytes": file.stat().st_size,
    }


def _commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    folder = pathlib.Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout.strip() or None


def _seconds(model_dir: pathlib.Path) -> float:
    """Adds, over the starts of a run, the times from first to last logged event."""
    total = 0.0
    for path in (model_dir / run_dir.LOGS / "train").glob("*tfevents*"):
        entries = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        times = [tf.compat.v1.Event.FromString(entry).wall_time for entry in entries]
        total += max(times) - min(times)
    return total


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
