"""Makes strips of images that show a model's latents, `[strips, images, *event]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import tfflows.data
from tfflows import latent
from tfflows.models import Flow, FlowVAE
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.running.pictures import is_image
from tfflows.zoo.running.sources import load_source, resolve_shape

# Where images of one class are looked for among those of a split.
_SEARCHED = 2000


def data_to_explore(
    model: keras.Model, config: ExperimentConfig
) -> tfflows.data.DataSource:
    """Loads the data of a model of images.

    Args:
      model: The model.
      config: Its experiment.

    Raises:
      ConfigError: If the model is no flow or VAE of images.
    """
    explored = isinstance(model, Flow | FlowVAE)
    if not explored or not is_image(model.event_shape):
        raise ConfigError(
            f"expected a flow or VAE of images to explore, got {config.name}"
        )
    source = load_source(config)
    resolve_shape(config, source)
    return source


def interpolations(
    model: Flow | FlowVAE,
    source: tfflows.data.DataSource,
    num_images: int,
    num_steps: int,
) -> np.ndarray:
    """Interpolates test images in pairs, `[num_images, num_steps, *event]`.

    If labels condition the model, both images of a pair have the same label.
    """
    weights = np.linspace(0, 1, num_steps)
    if not source.label_as_context:
        x = source.arrays("test", limit=2 * num_images)
        pairs = zip(x[0::2], x[1::2], strict=False)
        return np.stack([latent.interpolate(model, a, b, weights) for a, b in pairs])
    x = source.arrays("test", limit=_SEARCHED)
    labels = np.asarray(source.labels("test", limit=_SEARCHED))
    strips = []
    for label in np.unique(labels, axis=0):
        same = x[labels == label]
        for a, b in zip(same[0::2], same[1::2], strict=False):
            strips.append((a, b, label))
    if not strips:
        raise ConfigError(
            f"expected two test images of one class in {source.name}, got none"
        )
    places = np.linspace(0, len(strips) - 1, min(num_images, len(strips))).astype(int)
    chosen = [strips[place] for place in places]
    return np.stack([latent.interpolate(model, a, b, weights, k) for a, b, k in chosen])


def class_numbers(
    source: tfflows.data.DataSource, names: Sequence[str]
) -> tuple[int, ...]:
    """The numbers of classes that are given by name, or by number.

    Args:
      source: The data.
      names: Names of classes, or their numbers from 0 on.

    Raises:
      ConfigError: The data have no labels, or not these classes.
    """
    known = source.label_names
    if known is None:
        raise ConfigError(
            f"expected data with labels, got {source.name}; of images: the subfolders "
            "are labels, of npz: an array y"
        )
    numbers = {str(number): number for number in range(len(known))}
    numbers |= {name: number for number, name in enumerate(known)}
    for name in names:
        if name not in numbers:
            raise ConfigError(
                f"expected classes of {source.name} for --from_class and --to_class, "
                f"got {name}; there are {', '.join(known)}"
            )
    return tuple(numbers[name] for name in names)


def attributes(
    model: Flow | FlowVAE,
    source: tfflows.data.DataSource,
    classes: Sequence[str],
    strengths: Sequence[float],
    num_images: int,
    num_examples: int,
) -> np.ndarray:
    """Changes the class of test images, `[num_images, strengths, *event]`.

    Args:
      model: The flow or VAE.
      source: Its data.
      classes: The class of the images, and the one to go to.
      strengths: Multiples of the direction from one to the other. A model conditioned
        on labels decodes each image's latent with both labels instead, which gives two
        images per strip.
      num_images: Maximum number of strips.
      num_examples: Number of training images that give the direction.

    Raises:
      ConfigError: If the data have no labels, or no examples of these classes.
    """
    numbers = class_numbers(source, classes)
    images = _of_class(source, "test", numbers[0], classes[0], num_examples)
    images = images[:num_images]
    if source.label_as_context:
        return _other_label(model, images, numbers)
    for number, name in zip(numbers, classes, strict=True):
        _of_class(source, "train", number, name, num_examples)
    x = source.arrays("train", limit=num_examples)
    labels = source.labels("train", limit=num_examples)
    direction = latent.class_direction(model, x, labels, *numbers)
    return latent.manipulate(model, images, direction, strengths)


def _of_class(
    source: tfflows.data.DataSource, split: str, number: int, name: str, limit: int
) -> np.ndarray:
    labels = np.asarray(source.labels(split, limit=limit))
    found = source.arrays(split, limit=limit)[labels == number]
    if not len(found):
        raise ConfigError(
            f"expected images of the class {name} in the {split} split of "
            f"{source.name}, got none among {len(labels)}; choose another class, give "
            "more of them, or a higher --num_examples"
        )
    return found


def _other_label(model: Any, images: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    one, other = (np.full(len(images), number) for number in numbers)
    z = latent.encode(model, images, one)
    decoded = [model.decode(z, labels).numpy() for labels in (one, other)]
    return np.stack(decoded, axis=1)


def reconstructions(
    model: Flow | FlowVAE, source: tfflows.data.DataSource, num_images: int
) -> np.ndarray:
    """Returns test images and their reconstructions, `[num_images, 2, *event]`."""
    x = source.arrays("test", limit=num_images)
    context = None
    if source.label_as_context:
        context = source.labels("test", limit=num_images)
    return np.stack([x, latent.reconstruct(model, x, context)], axis=1)


def drawable(
    model: Flow | FlowVAE, strips: np.ndarray, levels: int | None
) -> tuple[np.ndarray, int | None]:
    """Images `[N, *event]` one after the other, and their number of levels.

    A VAE's are means, between levels: they become numbers from 0 to 1.
    """
    flat = strips.reshape(-1, *(model.event_shape or ()))
    if isinstance(model, FlowVAE) and levels is not None:
        return flat / (levels - 1), None
    return flat.round(), levels
