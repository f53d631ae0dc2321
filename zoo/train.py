"""Trains a registered model: `tfflows-train --model=NAME --model_dir=DIR`.

Run the same command again to resume an interrupted training. After SIGTERM, the program
saves its state and exits with 75.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import flags

from tfflows.system import command_line, files
from tfflows.system.termination import Termination
from tfflows.zoo import cli
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import from_dict, override, parse_assignments
from tfflows.zoo.registry import describe, get_config, list_models

FLAGS = cli.new_flags(
    model_dir="Folder of the run: new, or one to go on with, with the same settings."
)
flags.DEFINE_multi_string(
    "set",
    [],
    "Changes a field of the configuration, for example trainer.epochs=2 or "
    "model.hidden_units=64,64; repeatable. The fields are those of "
    "tfflows.zoo.get_config(NAME), and of config.json in a run's folder.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "config",
    None,
    "A config.json instead of --model: that of another run, or your own. --set and "
    "the other flags change it.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "label_column",
    None,
    "Of a csv or Parquet table, the column of class labels (data.label_column).",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "context_columns",
    None,
    "Of a table, the columns that the density of the others is conditioned on "
    "(data.context_columns).",
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "label_as_context",
    None,
    "Whether the class label conditions the model (data.label_as_context).",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "image_size",
    None,
    "Height and width, or one number for both, that images of images: and npz: are "
    "resized to (data.image_size).",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "seed", None, "Seed of the training (trainer.seed).", flag_values=FLAGS
)
flags.DEFINE_integer(
    "keep",
    None,
    "Number of checkpoints to keep, besides the best (trainer.keep).",
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "jit_compile",
    None,
    "Whether XLA compiles the training step (trainer.jit_compile).",
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "deterministic",
    False,
    "Whether to use deterministic operations only: two runs are equal to the bit.",
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "debug_nonfinite",
    False,
    "Whether to stop at the first value or gradient that is not finite, and to name "
    "its layer; slower.",
    flag_values=FLAGS,
)
cli.add_strategy_flags(FLAGS)
flags.DEFINE_boolean("list", False, "Lists the models and ends.", flag_values=FLAGS)


def main(argv: Sequence[str]) -> None:
    """Trains a model, or lists the models.

    Args:
      argv: Not used, because flags give all arguments.
    """
    del argv
    if FLAGS.list:
        cli.refuse_unused(FLAGS, {*FLAGS} - {"list"}, "--list")
        _print_models()
        return
    _check_flags()
    command_line.start_tensorflow()
    config = _config()
    strategy = cli.strategy(FLAGS)  # first: a cluster's runtime takes SIGTERM, too
    import tensorflow as tf

    from tfflows.zoo.running.trainer import train

    if FLAGS.deterministic:
        tf.config.experimental.enable_op_determinism()
    with Termination() as termination:
        train(
            config,
            FLAGS.model_dir,
            strategy,
            termination=termination,
            debug_nonfinite=FLAGS.debug_nonfinite,
        )


def _check_flags() -> None:
    """Raises ConfigError for wrong flags, before TensorFlow is imported."""
    if FLAGS.model and FLAGS.config:
        raise ConfigError("expected --model or --config, got both")
    if not (FLAGS.model or FLAGS.config) or not FLAGS.model_dir:
        missing = "--model_dir" if FLAGS.model or FLAGS.config else "--model"
        raise ConfigError(
            f"expected --model and --model_dir, got no {missing}; --list shows the "
            "models"
        )
    parse_assignments(FLAGS.set)
    if FLAGS.model:
        describe(FLAGS.model)  # an unknown name is refused


def _config() -> ExperimentConfig:
    if FLAGS.config:
        config = from_dict(files.read_json(files.path(FLAGS.config)))
    else:
        config = get_config(FLAGS.model)
    changes: dict[str, Any] = dict(cli.data_changes(FLAGS))
    if changes.get("data.name", config.data.name) != config.data.name:
        # Data other than the registered ones bring their own shape.
        data = dataclasses.replace(config.data, event_shape=None, levels=None)
        config = dataclasses.replace(config, data=data)
        if config.model.arguments.get("num_classes") is not None:
            config = override(config, {"model.num_classes": None})
    if FLAGS.context_columns is not None:
        changes["data.context_columns"] = FLAGS.context_columns
    for name in ("label_column", "label_as_context", "image_size"):
        if FLAGS[name].value is not None:
            changes[f"data.{name}"] = FLAGS[name].value
    for name in ("seed", "keep", "jit_compile"):
        if FLAGS[name].value is not None:
            changes[f"trainer.{name}"] = str(FLAGS[name].value)
    return override(config, {**changes, **parse_assignments(FLAGS.set)})


def _print_models() -> None:
    for name in list_models():
        info = describe(name)
        size = "-" if info.parameters is None else f"{info.parameters:,}"
        weights = "trained" if info.pretrained else ""
        print(f"{name:24} {size:>12}  {weights:8} {info.description}")


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
