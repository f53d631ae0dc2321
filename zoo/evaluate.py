"""Evaluates a trained model: `tfflows-evaluate --model_dir=DIR`.

Prints JSON as its last line, and writes it to evaluation.json in the model_dir.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

from absl import flags

from tfflows.training import is_chief
from tfflows.zoo import cli, files, run_dir
from tfflows.zoo.evaluation import evaluate

FLAGS = cli.new_flags(model_dir="Folder of a training run.")
flags.DEFINE_enum(
    "split",
    "test",
    ["train", "validation", "test"],
    "Split to evaluate on.",
    flag_values=FLAGS,
)
cli.add_strategy_flags(FLAGS)


def main(argv: Sequence[str]) -> None:
    """Evaluates.

    Args:
      argv: Not used; the flags say all.
    """
    del argv
    strategy = cli.strategy(FLAGS)
    with strategy.scope():
        model, config, progress = cli.trained_model(FLAGS)
    result = evaluate(model, config, FLAGS.split, progress)
    if not is_chief(strategy):
        return
    if FLAGS.model_dir:
        files.write_json(pathlib.Path(FLAGS.model_dir) / run_dir.EVALUATION, result)
    print(json.dumps(result))


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
