"""Noise that parts of a model draw in training, keyed by example and step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import tensorflow as tf

Seeds = Callable[[int], tf.Tensor]

_SEEDS: ContextVar[Seeds | None] = ContextVar("training_seeds", default=None)


@contextlib.contextmanager
def in_training(seeds: Seeds) -> Iterator[None]:
    """Inside, parts of a model that draw noise take these seeds.

    Args:
      seeds: From the number of a stream to int32 `[B, 2]`, a seed for each example.
    """
    token = _SEEDS.set(seeds)
    try:
        yield
    finally:
        _SEEDS.reset(token)


def training_seeds(stream: int, rows: tf.Tensor) -> tf.Tensor | None:
    """Returns a seed for each row of a batch in training, else None.

    Args:
      stream: Number of the kind of noise.
      rows: How many rows there are: those of the batch, and what pads an empty one.
    """
    seeds = _SEEDS.get()
    if seeds is None:
        return None
    found = seeds(stream)
    missing = tf.maximum(rows - tf.shape(found)[0], 0)
    return tf.pad(found, [[0, missing], [0, 0]])
