"""Helpers for sums over the elements of padded sets."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def check_set(name: str, inputs: tf.Tensor) -> None:
    """Raises ValueError unless inputs are a batch of sets `[B, N, D]`."""
    if inputs.shape.rank != 3:
        raise ValueError(
            f"{name}: expected sets of shape [batch, elements, features], got shape "
            f"{tuple(inputs.shape)}"
        )


def elements(inputs: tf.Tensor, mask: Any) -> tf.Tensor:
    """Returns 1 for an element and 0 for padding, `[B, N, 1]`."""
    if mask is None:
        return tf.ones_like(inputs[..., :1])
    return tf.cast(mask, inputs.dtype)[..., tf.newaxis]


def with_log_size(features: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Appends the logarithm of the number of elements to features: `[B, F + 1]`.

    A mean loses the number of elements, and more observations carry more information.
    """
    size = tf.maximum(tf.reduce_sum(present, axis=1), 1.0)
    return tf.concat([features, tf.cast(tf.math.log(size), features.dtype)], axis=-1)
