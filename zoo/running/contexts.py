"""The contexts for samples of conditional models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np

from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError


def classes_in_turn(config: ExperimentConfig, number: int) -> np.ndarray | None:
    """Returns labels 0, 1, ... of a class-conditional model, in a cycle.

    Args:
      config: The experiment.
      number: Number of labels.

    Returns:
      int64 `[number]`; None for a model without classes.
    """
    num_classes = getattr(config.model, "num_classes", None)
    if num_classes is None and config.data.label_as_context:
        num_classes = len(config.data.label_names or ())
    return np.arange(number) % num_classes if num_classes else None


def context_of_samples(
    model: keras.Model, config: ExperimentConfig, texts: Sequence[str], number: int
) -> np.ndarray | None:
    """Returns the context that a command line gives, or else all classes in turn.

    Args:
      model: A model.
      config: Its experiment.
      texts: The numbers of one context for all samples, or the name of a class; none:
        the classes in turn.
      number: Number of samples.

    Returns:
      None for a model without context, else a context for `model.sample`.

    Raises:
      ConfigError: If the model takes another context, or none.
    """
    shape = getattr(model, "context_shape", None)
    if shape is None and not texts:
        return None
    labels = classes_in_turn(config, number)
    if not texts and labels is not None:
        return labels
    try:
        if shape is None:
            raise ValueError("the model has no context")
        names = config.data.label_names or ()
        if len(texts) == 1 and texts[0] in names:
            texts = [str(names.index(texts[0]))]
        dtype = model.conditioning.context_dtype.as_numpy_dtype
        return np.array([dtype(text) for text in texts], dtype).reshape(shape)
    except ValueError as error:
        wanted = "no --context" if shape is None else _kind(model)
        raise ConfigError(
            f"expected {wanted} for {config.name}, got {','.join(texts) or 'none'}"
        ) from error


def _kind(model: keras.Model) -> str:
    size, dtype = math.prod(model.context_shape), model.conditioning.context_dtype
    numbers = "a number" if size == 1 else f"{size} numbers"
    return f"--context, {numbers} of {dtype.name} separated by commas,"
