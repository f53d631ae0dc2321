"""The vectors by which traces of Jacobians are computed or estimated."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from tfflows.backend import random


def unit_vectors(event: tuple[int, ...]) -> np.ndarray:
    """Returns all unit vectors `[D, *event]`: the sum of e . J e is the trace."""
    size = math.prod(event)
    return np.eye(size).reshape(size, *event)


def sign_vectors(event: tuple[int, ...], number: int, seed: int) -> np.ndarray:
    """Returns vectors `[number, *event]` of signs, for Hutchinson's estimate.

    Args:
      event: Shape of one event.
      number: Of vectors; the mean of e . J e over them estimates the trace.
      seed: They follow from it.
    """
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (number, math.prod(event)))
    return signs.reshape(number, *event)


def drawn_signs(seeds: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns signs `[B, *event]` in the shape of `like`, each row from its seed."""
    size = math.prod(like.shape[1:])
    signs = tf.sign(random.uniform_rows(seeds, size, like.dtype) - 0.5)
    return tf.reshape(signs, tf.shape(like))


def tiled(value: tf.Tensor, number: int) -> tf.Tensor:
    """Returns copies of all rows, one copy of the batch after the other."""
    if number == 1:
        return tf.identity(value)
    return tf.tile(value, [number] + [1] * (value.shape.rank - 1))
