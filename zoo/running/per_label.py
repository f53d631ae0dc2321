"""Held-out figures of each class of the data's labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfflows.data
from tfflows.fitting.batch import Batch


def per_label(
    model: keras.Model,
    source: tfflows.data.DataSource,
    splits: Sequence[str],
    batch_size: int,
) -> dict[str, dict[str, Any]]:
    """The mean of -log_prob (of a VAE, the negative bound) of the examples of a class.

    Args:
      model: A compiled model.
      source: Its data, whose labels have names.
      splits: The splits to take together.
      batch_size: Examples at a time.

    Returns:
      For each name of a class "num_examples", "nll" in nats and, if the model measures
      them, "bits_per_dim"; classes without examples are left out.
    """
    labels = np.concatenate([np.asarray(source.labels(split)) for split in splits])
    nll = nll_of(model, source, splits, batch_size)
    bits = math.log(2) * math.prod(source.event_shape)
    found = {}
    for number, name in enumerate(source.label_names or ()):
        own = nll[labels == number]
        if len(own):
            found[name] = {"num_examples": len(own), "nll": float(own.mean())}
            if measures_bits(model, source):
                found[name]["bits_per_dim"] = float(own.mean()) / bits
    return found


def measures_bits(model: keras.Model, source: tfflows.data.DataSource) -> bool:
    """Returns whether a figure in bits per dimension means something.

    Args:
      model: A model; those without a property `measures_bits` do.
      source: Its data; only integers have bits.
    """
    return source.levels is not None and getattr(model, "measures_bits", True)


def nll_of(
    model: keras.Model,
    source: tfflows.data.DataSource,
    splits: Sequence[str],
    batch_size: int,
) -> np.ndarray:
    """-log_prob (of a VAE, the negative bound) of each example `[N]`, in nats.

    Args:
      model: A compiled model.
      source: Its data.
      splits: The splits to take one after the other.
      batch_size: Examples at a time.
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def losses(batch: Any) -> tf.Tensor:
        return model.per_example(Batch.of(batch), training=False)["loss"]

    parts = [
        losses(batch).numpy()
        for split in splits
        for batch in source.dataset(split, batch_size)
    ]
    return np.concatenate(parts).astype("float64")
