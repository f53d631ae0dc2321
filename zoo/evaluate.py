"""Evaluates a trained model: `tfflows-evaluate --model_dir=DIR`.

Prints JSON as its last line. For the run's own data, it also writes the JSON to
evaluation.json in the model_dir, from which an export of the run takes its figures.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

from absl import flags

from tfflows.system import files
from tfflows.zoo import cli

FLAGS = cli.new_flags(model_dir="Folder of a training run.")
flags.DEFINE_enum(
    "split",
    "test",
    ["train", "validation", "test", "all"],
    "Split to evaluate on; all of a file's rows: all.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "plot",
    False,
    "Whether to draw data beside samples, a 2-D density, and the training's history: "
    "PNGs in the folder plots of the model_dir (or the current folder).",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "outliers",
    None,
    "Writes so many rows of lowest density, with their numbers, to outliers.csv in the "
    "model_dir (or the current folder). Of the run's own data: all rows unless --split "
    "is given; rows other than test rows are scored by 5 models of the same "
    "configuration, each trained without the rows that it scores.",
    1,
    flag_values=FLAGS,
)
cli.add_strategy_flags(FLAGS)


def main(argv: Sequence[str]) -> None:
    """Runs `tfflows-evaluate`.

    Args:
      argv: Not used, because flags give all arguments.
    """
    del argv
    cli.require_model(FLAGS)
    strategy = cli.strategy(FLAGS)
    from tfflows.training import is_chief
    from tfflows.zoo.running import run_dir
    from tfflows.zoo.running.evaluation import evaluate

    with strategy.scope():
        model, config, progress = cli.trained_model(FLAGS)
    result = evaluate(model, config, FLAGS.split, progress)
    if not is_chief(strategy):
        return
    own = FLAGS.model_dir and run_dir.read_config(FLAGS.model_dir).data.name
    if own and result["dataset"] == own:  # the data that the run was made for
        files.write_json(pathlib.Path(FLAGS.model_dir) / run_dir.EVALUATION, result)
    if FLAGS.plot:
        from tfflows.zoo.running.plotting import write_plots

        folder = pathlib.Path(FLAGS.model_dir or ".") / "plots"
        for path in write_plots(model, config, FLAGS.split, folder, FLAGS.model_dir):
            print(path)
    if FLAGS.outliers is not None:
        from tfflows.zoo.running.outliers import write_outliers

        path = pathlib.Path(FLAGS.model_dir or ".") / "outliers.csv"
        chosen = FLAGS.split if FLAGS["split"].present else "all"
        write_outliers(
            model,
            config,
            FLAGS.outliers,
            path,
            split=None if chosen == "all" else chosen,
            seen=result["dataset"] == own and chosen != "test",
        )
        print(path)
    print(json.dumps(result))


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
