"""Copies the best weights of a training run into the package, with their figures.

Run `python -m tfflows.zoo.publish --model_dir=DIR` in a checkout. Afterwards,
`tfflows.zoo.create(name, weights="pretrained")` finds the weights.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import pathlib
from collections.abc import Sequence

import keras

from tfflows.families.stacking import copy_weights
from tfflows.system import command_line, files
from tfflows.zoo import cli, pretrained
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import first_difference
from tfflows.zoo.registry import get_config
from tfflows.zoo.running import evaluation, run_dir

_MOST_BYTES = 1_000_000  # the wheel carries every file
_PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")

FLAGS = command_line.new_flags(model_dir="Folder of a finished training run.")


def main(argv: Sequence[str]) -> None:
    """Copies the weights and writes their record.

    Args:
      argv: Not used, because flags give all arguments.

    Raises:
      ConfigError: If there is no --model_dir, or its configuration differs from the
        registered model's.
      ValueError: If the weights are too large for the package.
    """
    del argv
    if not FLAGS.model_dir:
        raise ConfigError("expected --model_dir of a training run")
    model, config, progress = run_dir.restore(FLAGS.model_dir)
    name = config.name
    difference = first_difference(config, get_config(name), run_dir.MAY_DIFFER)
    if difference:
        raise ConfigError(
            f"expected the registered configuration of {name}; first difference, "
            f"there and registered: {difference}"
        )
    published = dataclasses.replace(config, model=get_config(name).model)
    if published != config:  # only one of them has stacked steps
        trained, model = model, published.build()
        copy_weights(trained, model)
    # Before the evaluation, which compiles and so would add an optimizer.
    _save_weights(model, pretrained.weights_path(name))
    record = {
        "command": f"tfflows-train --model={name} --model_dir=runs/{name}",
        "evaluation": evaluation.evaluate(model, config, "test", progress),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {p: importlib.metadata.version(p) for p in _PACKAGES},
    }
    files.write_json(pretrained.record_path(name), record)
    print(pretrained.path(name))


def _save_weights(model: keras.Model, path: pathlib.Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with files.replacing(path) as temporary:
        model.save_weights(temporary)
        size = temporary.stat().st_size
        if size > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES} bytes, got {size}")


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
