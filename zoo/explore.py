"""Pictures of a trained flow's latents: `tfflows-explore --model_dir=DIR`.

Writes one strip of images for each of a few held-out images, below each other:
--show=interpolation: from one image to another, along the line between their latents;
--show=attribute: along the direction from one class of the data's labels to another,
  found on the training images, at each of --strengths; for an attribute of CelebA's
  faces, --dataset=celeba64:Smiling has class 1 where it holds, else class 0;
--show=reconstruction: the image, and what comes back from its latent.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags

import tfflows.data
from tfflows import latent
from tfflows.models import Flow
from tfflows.zoo import cli
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.pictures import is_image, write_images
from tfflows.zoo.sources import load_source, resolve_shape

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
flags.DEFINE_integer(
    "from_class", 0, "Class that an attribute's direction leaves.", flag_values=FLAGS
)
flags.DEFINE_integer("to_class", 1, "Class that it leads to.", flag_values=FLAGS)
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
flags.DEFINE_string(
    "output",
    None,
    "PNG to write. Default: <show>.png in the model_dir.",
    flag_values=FLAGS,
)

# Flags that not all that is shown depends on.
_USED_BY = {
    "num_steps": ["interpolation"],
    "from_class": ["attribute"],
    "to_class": ["attribute"],
    "strengths": ["attribute"],
    "num_examples": ["attribute"],
}


def main(argv: Sequence[str]) -> None:
    """Explores.

    Args:
      argv: Not used; the flags say all.
    """
    del argv
    for name, shows in _USED_BY.items():
        if FLAGS.show not in shows:
            cli.refuse_unused(FLAGS, [name], f"--show={FLAGS.show}")
    strengths = _strengths()
    model, config, _ = cli.trained_model(FLAGS)
    if not isinstance(model, Flow) or not is_image(model.event_shape):
        raise ConfigError(f"expected a flow of images to explore, got {config.name}")
    if config.data.label_as_context:
        raise ConfigError(
            f"expected a flow without context to explore, got {config.name}"
        )
    source = load_source(config)
    resolve_shape(config, source)
    strips = {
        "interpolation": lambda: _interpolations(model, source),
        "attribute": lambda: _attribute(model, source, strengths),
        "reconstruction": lambda: _reconstructions(model, source),
    }[FLAGS.show]()
    output = FLAGS.output or pathlib.Path(FLAGS.model_dir or ".", f"{FLAGS.show}.png")
    flat = strips.reshape(-1, *model.event_shape)
    write_images(output, np.round(flat), config.data.levels, columns=strips.shape[1])
    print(output)


def _strengths() -> list[float]:
    try:
        return [float(text) for text in FLAGS.strengths]
    except ValueError as error:
        raise ConfigError(
            f"expected --strengths as numbers, got {','.join(FLAGS.strengths)}"
        ) from error


def _interpolations(model: Flow, source: tfflows.data.DataSource) -> np.ndarray:
    """`[num_images, num_steps, *event]`, between neighbours of the test split."""
    x = source.arrays("test", limit=2 * FLAGS.num_images)
    weights = np.linspace(0, 1, FLAGS.num_steps)
    pairs = zip(x[0::2], x[1::2], strict=False)
    return np.stack([latent.interpolate(model, a, b, weights) for a, b in pairs])


def _attribute(
    model: Flow, source: tfflows.data.DataSource, strengths: list[float]
) -> np.ndarray:
    """`[num_images, strengths, *event]`, of test images of the class to leave."""
    labels = source.labels("train", limit=FLAGS.num_examples)
    if labels is None:
        raise ConfigError(f"expected data with labels, got {source.name}")
    x = source.arrays("train", limit=FLAGS.num_examples)
    classes = FLAGS.from_class, FLAGS.to_class
    for chosen in classes:
        if chosen not in labels:
            raise ConfigError(
                f"expected classes of {source.name} for --from_class and --to_class, "
                f"got {chosen}; there are {np.unique(labels).tolist()}"
            )
    direction = latent.class_direction(model, x, labels, *classes)
    test_labels = source.labels("test", limit=FLAGS.num_examples)
    images = source.arrays("test", limit=FLAGS.num_examples)
    images = images[test_labels == FLAGS.from_class][: FLAGS.num_images]
    return latent.manipulate(model, images, direction, strengths)


def _reconstructions(model: Flow, source: tfflows.data.DataSource) -> np.ndarray:
    """`[num_images, 2, *event]`: test images and their reconstructions."""
    x = source.arrays("test", limit=FLAGS.num_images)
    return np.stack([x, latent.reconstruct(model, x)], axis=1)


def run() -> None:
    """Runs the binary."""
    cli.run(main, FLAGS)


if __name__ == "__main__":
    run()
