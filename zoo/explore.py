"""Pictures of a trained model's latents: `tfflows-explore --model_dir=DIR`.

Writes a picture with one strip of images for each of a few held-out images:
--show=interpolation: from one image to another, along the line between their latents;
--show=attribute: along the direction from one class of labels to another, at each of
  --strengths. Training images give the direction. For an attribute of CelebA's faces,
  use --dataset=celeba64:Smiling; class 1 has the attribute, class 0 does not. A model
  conditioned on labels decodes the image's latent with both labels instead;
--show=reconstruction: the image and its reconstruction from the latent.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from tfflows.zoo import cli
from tfflows.zoo.errors import ConfigError

FLAGS = cli.new_flags(model_dir="Folder of a training run.")
flags.DEFINE_enum(
    "show",
    "interpolation",
    ["interpolation", "attribute", "reconstruction"],
    "What to show.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("num_images", 8, "Number of strips.", 1, flag_values=FLAGS)
flags.DEFINE_integer(
    "num_steps", 9, "Images in a strip of an interpolation.", 2, flag_values=FLAGS
)
flags.DEFINE_string(
    "from_class",
    "0",
    "Class that an attribute's direction leaves: its name, or its number from 0 on.",
    flag_values=FLAGS,
)
flags.DEFINE_string("to_class", "1", "Class that it leads to.", flag_values=FLAGS)
flags.DEFINE_list(
    "strengths",
    ["-1", "-0.5", "0", "0.5", "1"],
    "Multiples of an attribute's direction; 0 shows the image itself.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_examples",
    2000,
    "Training images that an attribute's direction is found on.",
    2,
    flag_values=FLAGS,
)
cli.add_scale_flag(FLAGS)
flags.DEFINE_string(
    "output",
    None,
    "PNG to write. Default: <show>.png in the model_dir.",
    flag_values=FLAGS,
)

# Flags that only some values of --show use.
_USED_BY = {
    "num_steps": ["interpolation"],
    "from_class": ["attribute"],
    "to_class": ["attribute"],
    "strengths": ["attribute"],
    "num_examples": ["attribute"],
}


def main(argv: Sequence[str]) -> None:
    """Runs `tfflows-explore`.

    Args:
      argv: Not used, because flags give all arguments.
    """
    del argv
    for name, shows in _USED_BY.items():
        if FLAGS.show not in shows:
            cli.refuse_unused(FLAGS, [name], f"--show={FLAGS.show}")
    strengths = _strengths()
    model, config, _ = cli.trained_model(FLAGS)
    from tfflows.zoo.running import exploration
    from tfflows.zoo.running.pictures import write_images

    source = exploration.data_to_explore(model, config)
    if FLAGS.show == "interpolation":
        strips = exploration.interpolations(
            model, source, FLAGS.num_images, FLAGS.num_steps
        )
    elif FLAGS.show == "attribute":
        classes = FLAGS.from_class, FLAGS.to_class
        if config.data.label_as_context:
            cli.refuse_unused(
                FLAGS, ["strengths", "num_examples"], "a label as context"
            )
        strips = exploration.attributes(
            model, source, classes, strengths, FLAGS.num_images, FLAGS.num_examples
        )
    else:
        strips = exploration.reconstructions(model, source, FLAGS.num_images)
    output = FLAGS.output or pathlib.Path(FLAGS.model_dir or ".", f"{FLAGS.show}.png")
    flat, levels = exploration.drawable(model, strips, config.data.levels)
    write_images(output, flat, levels, strips.shape[1], FLAGS.scale)
    print(output)


def _strengths() -> list[float]:
    try:
        return [float(text) for text in FLAGS.strengths]
    except ValueError as error:
        raise ConfigError(
            f"expected --strengths as numbers, got {','.join(FLAGS.strengths)}"
        ) from error


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
