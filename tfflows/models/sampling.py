"""What callers of `sample` may pass, as tensors."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows.checks import require


def checked_number(num_samples: Any) -> tf.Tensor:
    """The number as int32.

    Raises:
      ValueError: Unless it is one integer >= 0.
    """
    number = tf.convert_to_tensor(num_samples)
    if not number.dtype.is_integer or number.shape.rank != 0:
        raise ValueError(f"expected num_samples as one integer, got {num_samples!r}")
    with require(number >= 0, f"expected num_samples >= 0, got {num_samples}"):
        return tf.cast(number, tf.int32)


def context_rows(context: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
    """One row of context per sample: a label or vector for all, or rows as given."""
    is_label = context.dtype.is_integer or context.dtype == tf.bool
    shared_rank = 0 if is_label else 1
    if context.shape.rank > shared_rank:
        return context
    shape = tf.concat([[num_samples], tf.shape(context)], axis=0)
    return tf.broadcast_to(context, shape)
