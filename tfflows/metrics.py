"""Units of likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def nll(log_prob: Any) -> tf.Tensor:
    """The mean negative log-likelihood, in the log-likelihoods' unit (nats)."""
    return -tf.reduce_mean(log_prob)


def bits_per_dim(log_prob: Any, event_shape: Sequence[int]) -> tf.Tensor:
    """-log_prob / (D ln 2), with no further constant.

    Args:
      log_prob: Log-densities in nats, any shape, of data in the units in which one
        level of integer data is one wide (y = x + u, u in [0, 1)).
      event_shape: Shape of one event; D is its number of elements.

    Returns:
      Bits per dimension, of the shape of `log_prob`.
    """
    log_prob = tf.convert_to_tensor(log_prob)
    return -log_prob / (math.prod(event_shape) * math.log(2.0))
