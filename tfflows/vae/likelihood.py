"""The base class of likelihoods p(x|z) of a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfflows.backend.checks import require
from tfflows.backend.random import Seeds


class Likelihood:
    """The distribution of each element of x, with parameters from a decoder.

    The parameters are `[B, ..., num_params * C]` for data `[B, ..., C]`: block p of C
    holds parameter p of each element.

    Subclasses set `num_params` and `levels` (None for continuous data), implement the
    three methods and, to be saved, register with `keras.saving`.
    """

    num_params: int
    levels: int | None = None

    def log_prob(self, x: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Returns ln p(x) of each element in nats, in raw units, shaped like x."""
        raise NotImplementedError

    def mean(self, params: tf.Tensor) -> tf.Tensor:
        """Returns E[x] `[B, ..., C]`, in raw units."""
        raise NotImplementedError

    def sample(self, params: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """Draws `[B, ..., C]`, row i only from row i of the seeds, int32 `[B, 2]`."""
        raise NotImplementedError

    def network_input(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the encoder's input: raw data, with levels scaled to [0, 1]."""
        return x if self.levels is None else x / (self.levels - 1)

    def checked(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the data if they are valid.

        Raises:
          ValueError: If values are not finite or, with `levels`, not integers from 0 to
            levels - 1 (in a graph InvalidArgumentError).
        """
        if self.levels is None:
            valid, expected = tf.math.is_finite(x), "finite data"
        else:
            valid = (x >= 0) & (x < self.levels) & (x == tf.floor(x))
            expected = f"integers from 0 to {self.levels - 1}"
        with require(tf.reduce_all(valid), f"expected {expected}, got other values"):
            return tf.identity(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Likelihood:
        """Returns a likelihood with the same config."""
        return cls(**config)


def draw_rows(
    draw: Callable[..., tf.Tensor], seeds: Seeds, like: tf.Tensor
) -> tf.Tensor:
    """Draws random numbers of the shape `[B, *event]` of `like`, row by row."""
    rows = draw(seeds, math.prod(like.shape[1:]), like.dtype)
    return tf.reshape(rows, tf.shape(like))
