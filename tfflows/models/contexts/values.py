"""Checks contexts from callers and returns tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.checks import all_finite, require
from tfflows.bijectors.shapes import as_float


def one_tensor(context: Any, name: str) -> None:
    """Raises ValueError for a dict of contexts, because a flow takes one."""
    if isinstance(context, Mapping):
        raise ValueError(
            f"{name}: expected a context that is one tensor, got a dict with the keys "
            f"{list(context)}; concatenate them, and let a context_network split them "
            "again where they need different layers"
        )


def as_integers(context: Any, dtype: tf.DType, name: str) -> tf.Tensor:
    """Returns the context in an integer dtype.

    Raises:
      ValueError: If the numbers are others, or the dtype cannot hold one.
    """
    context = _as_tensor(context, name)
    if not context.dtype.is_integer:
        raise ValueError(
            f"{name}: expected a context of integers ({dtype.name}), got "
            f"{context.dtype.name}"
        )
    narrowed = tf.cast(context, dtype)
    fits = tf.reduce_all(tf.equal(tf.cast(narrowed, context.dtype), context))
    with require(fits, f"{name}: expected a context within {dtype.name}"):
        return tf.identity(narrowed)


def as_finite(context: Any, dtype: tf.DType, name: str) -> tf.Tensor:
    """Returns the context in a float dtype.

    Raises:
      ValueError: If it is not numeric or not finite.
    """
    context = as_float(context, dtype, f"{name}, context")
    finite = all_finite(context)
    with require(finite, f"{name}: expected a finite context, got NaN or Inf"):
        return tf.identity(context)


def _as_tensor(context: Any, name: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(context)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: expected a context that is one tensor, got "
            f"{type(context).__name__}"
        ) from error


def number_of_labels(network: Any) -> int | None:
    """Returns the number of labels of the embedding that takes the raw context.

    Args:
      network: A Keras layer, or None.

    Returns:
      The number; None if no embedding takes the context.
    """
    if isinstance(network, keras.layers.Embedding):
        return network.input_dim
    if isinstance(network, keras.Sequential) and network.layers:
        return number_of_labels(network.layers[0])
    if isinstance(network, keras.Model) and getattr(network, "inputs", None):
        sizes = [
            layer.input_dim
            for layer in network.layers
            if isinstance(layer, keras.layers.Embedding)
            and layer.input is network.inputs[0]
        ]
        return min(sizes, default=None)
    return None


def within_labels(context: tf.Tensor, number: int | None, name: str) -> tf.Tensor:
    """Checks that labels are from 0 to number - 1; returns the context.

    Another label has no embedding. A CPU raises an error for it, but a GPU and XLA
    return made-up values.
    """
    if number is None or not context.dtype.is_integer:
        return context
    known = tf.reduce_all((context >= 0) & (context < number))
    message = f"{name}: expected labels from 0 to {number - 1} as context"
    with require(known, message):
        return tf.identity(context)
