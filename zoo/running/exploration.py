"""Makes strips of images that show a flow's latents, `[strips, images, *event]`."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

import tfflows.data
from tfflows import latent
from tfflows.models import Flow
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.running.pictures import is_image
from tfflows.zoo.running.sources import load_source, resolve_shape


def data_to_explore(
    model: keras.Model, config: ExperimentConfig
) -> tfflows.data.DataSource:
    """Loads the data of a flow of images.

    Args:
      model: The model.
      config: Its experiment.

    Raises:
      ConfigError: If the model is no such flow or has a context.
    """
    if not isinstance(model, Flow) or not is_image(model.event_shape):
        raise ConfigError(f"expected a flow of images to explore, got {config.name}")
    if config.data.label_as_context:
        raise ConfigError(
            f"expected a flow without context to explore, got {config.name}"
        )
    source = load_source(config)
    resolve_shape(config, source)
    return source


def interpolations(
    model: Flow, source: tfflows.data.DataSource, num_images: int, num_steps: int
) -> np.ndarray:
    """Interpolates test images in pairs, `[num_images, num_steps, *event]`."""
    x = source.arrays("test", limit=2 * num_images)
    weights = np.linspace(0, 1, num_steps)
    pairs = zip(x[0::2], x[1::2], strict=False)
    return np.stack([latent.interpolate(model, a, b, weights) for a, b in pairs])


def attributes(
    model: Flow,
    source: tfflows.data.DataSource,
    classes: tuple[int, int],
    strengths: Sequence[float],
    num_images: int,
    num_examples: int,
) -> np.ndarray:
    """Changes the class of test images, `[num_images, strengths, *event]`.

    Args:
      model: The flow.
      source: Its data.
      classes: The class of the images, and the one to go to.
      strengths: Multiples of the direction from one to the other.
      num_images: Maximum number of strips.
      num_examples: Number of training images that give the direction.

    Raises:
      ConfigError: If the data have no labels, or not these classes.
    """
    labels = source.labels("train", limit=num_examples)
    if labels is None:
        raise ConfigError(f"expected data with labels, got {source.name}")
    x = source.arrays("train", limit=num_examples)
    for chosen in classes:
        if chosen not in labels:
            raise ConfigError(
                f"expected classes of {source.name} for --from_class and --to_class, "
                f"got {chosen}; there are {np.unique(labels).tolist()}"
            )
    direction = latent.class_direction(model, x, labels, *classes)
    test_labels = source.labels("test", limit=num_examples)
    images = source.arrays("test", limit=num_examples)
    images = images[test_labels == classes[0]][:num_images]
    return latent.manipulate(model, images, direction, strengths)


def reconstructions(
    model: Flow, source: tfflows.data.DataSource, num_images: int
) -> np.ndarray:
    """Returns test images and their reconstructions, `[num_images, 2, *event]`."""
    x = source.arrays("test", limit=num_images)
    return np.stack([x, latent.reconstruct(model, x)], axis=1)
