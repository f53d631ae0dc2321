"""Draws samples from a trained model: `tfflows-sample --model_dir=DIR --output=x.png`.

Samples of a class-conditional model go through the classes in turn, unless --context
names one: `--context=3`. Any other conditional model needs --context.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from tfflows.zoo import cli

if TYPE_CHECKING:
    import keras
    import numpy as np

FLAGS = cli.new_flags(model_dir="Folder of a training run.")
flags.DEFINE_integer("num_samples", 64, "Number of samples.", 1, flag_values=FLAGS)
flags.DEFINE_float(
    "temperature", 1.0, "Temperature of the base.", 0.0, flag_values=FLAGS
)
flags.DEFINE_integer("seed", 0, "The same seed, the same samples.", flag_values=FLAGS)
flags.DEFINE_list(
    "context",
    [],
    "What all samples of a conditional model depend on: a class (its name or number), "
    "or the numbers of a vector, separated by commas.",
    flag_values=FLAGS,
)
cli.add_scale_flag(FLAGS)
flags.DEFINE_string(
    "output",
    None,
    "File to write: .png for images and 2-D points, .csv for tables, .npz for all. "
    "Default: samples.png or samples.npz in the model_dir.",
    flag_values=FLAGS,
)


def main(argv: Sequence[str]) -> None:
    """Runs `tfflows-sample`.

    Args:
      argv: Not used, because flags give all arguments.
    """
    del argv
    cli.refuse_unused(FLAGS, ["dataset", "data_dir"], "samples of a model")
    model, config, _ = cli.trained_model(FLAGS)
    from tfflows.zoo.running.contexts import context_of_samples
    from tfflows.zoo.running.pictures import check_output, is_image, write_samples

    context = context_of_samples(model, config, FLAGS.context, FLAGS.num_samples)
    ending = "png" if is_image(model.event_shape) else "npz"
    folder = pathlib.Path(FLAGS.model_dir or ".")
    output = FLAGS.output or folder / f"samples.{ending}"
    check_output(output, model.event_shape)
    if not (is_image(model.event_shape) and str(output).endswith(".png")):
        cli.refuse_unused(FLAGS, ["scale"], "samples that become no picture of images")
    samples, data = _draw(model, context), config.data
    write_samples(output, *samples, data.levels, data.columns, FLAGS.scale)
    print(output)


def _draw(
    model: keras.Model, context: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns samples, and their log-densities if the model has a density."""
    from tfflows.models import FlowVAE

    arguments = {"seed": FLAGS.seed, "temperature": FLAGS.temperature}
    if isinstance(model, FlowVAE):
        return model.sample(FLAGS.num_samples, **arguments).numpy(), None
    x, log_prob = model.sample_and_log_prob(
        FLAGS.num_samples, context=context, **arguments
    )
    return x.numpy(), log_prob.numpy()


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
