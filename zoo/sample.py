"""Draws samples from a trained model: `tfflows-sample --model_dir=DIR --output=x.png`.

Samples of a class-conditional model go through the classes in turn, unless --context
names one: `--context=3`. Any other conditional model needs --context. Those of a
TarFlow trained with Gaussian noise are denoised, and --guidance=2 makes them more
typical of their class.
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

    from tfflows.models import TarFlow

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
flags.DEFINE_float(
    "guidance", None, "Weight of a TarFlow's guidance.", 0.0, flag_values=FLAGS
)
flags.DEFINE_boolean(
    "denoise",
    None,
    "Whether to remove the noise of a TarFlow's samples. Default: if it learnt noise.",
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
    from tfflows.models import FlowVAE, TarFlow

    arguments = {"seed": FLAGS.seed, "temperature": FLAGS.temperature}
    if not isinstance(model, TarFlow):
        cli.refuse_unused(FLAGS, ["guidance", "denoise"], "models other than TarFlow")
    if isinstance(model, FlowVAE):
        return model.sample(FLAGS.num_samples, **arguments).numpy(), None
    if isinstance(model, TarFlow) and _changes_samples(model):
        arguments |= {"guidance": FLAGS.guidance, "denoise": FLAGS.denoise}
        x = model.generate(FLAGS.num_samples, context=context, **arguments)
        return x.numpy(), None
    x, log_prob = model.sample_and_log_prob(
        FLAGS.num_samples, context=context, **arguments
    )
    return x.numpy(), log_prob.numpy()


def _changes_samples(model: TarFlow) -> bool:
    """Returns whether samples are guided or denoised: then they have no density."""
    denoises = model.noise_std is not None if FLAGS.denoise is None else FLAGS.denoise
    return FLAGS.guidance is not None or denoises


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
