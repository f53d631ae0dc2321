"""Evaluates a trained model: `tfflows-evaluate --model_dir=DIR`.

Prints JSON as its last line. Of the run's own data it also writes it to evaluation.json
in the model_dir, which an export of the run tells.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from tfflows.data.source import SPLITS
from tfflows.system import files
from tfflows.training import is_chief
from tfflows.zoo import cli, run_dir
from tfflows.zoo.evaluation import ALL, evaluate

FLAGS = cli.new_flags(model_dir="Folder of a training run.")
flags.DEFINE_enum(
    "split",
    "test",
    [*SPLITS, ALL],
    "Split to evaluate on; all of a file's rows: all.",
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
    if FLAGS.model_dir and _is_the_runs_own(result):
        files.write_json(pathlib.Path(FLAGS.model_dir) / run_dir.EVALUATION, result)
    print(json.dumps(result))


def _is_the_runs_own(result: Mapping[str, Any]) -> bool:
    """Whether the figures are of the data that the run was made for."""
    return result["dataset"] == run_dir.read_config(FLAGS.model_dir).data.name


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
