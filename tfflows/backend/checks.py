"""Checks of values that work in eager mode, in graphs and in exports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

# Number of a tensor's values in an error message.
_SHOWN = 8


def all_finite(values: tf.Tensor) -> tf.Tensor:
    """Returns whether all values are finite, as a boolean scalar.

    Args:
      values: Floating-point numbers.
    """
    # A sum is finite only if all its terms are. It takes one fast pass; a tensor of
    # flags takes as long as a layer. The factor keeps large finite terms from adding up
    # to infinity.
    return tf.math.is_finite(tf.reduce_sum(values * 2.0**-40))


@contextlib.contextmanager
def require(condition: tf.Tensor, message: str, *details: Any) -> Iterator[None]:
    """Context manager that computes its block only if a condition holds.

    Args:
      condition: A boolean scalar.
      message: What was expected.
      *details: Words and tensors that say what was given, read only on failure.

    Raises:
      ValueError: In eager mode, if the condition is false. In a graph an assert op runs
        before the block's ops and fails with InvalidArgumentError (code 3, HTTP 400
        under TensorFlow Serving); XLA drops it.
    """
    if tf.executing_eagerly():
        if not bool(condition):
            raise ValueError(" ".join([message, *map(_as_text, details)]))
        yield
    else:
        data = [message, *details]
        with tf.control_dependencies([tf.debugging.Assert(condition, data, _SHOWN)]):
            yield


@contextlib.contextmanager
def failed_requirements_as_value_errors() -> Iterator[None]:
    """Context manager that turns a failed `require` of a graph into a ValueError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        text = str(error.message)
        if "assertion failed: [" not in text:
            raise
        message = text.split("assertion failed: [", 1)[1].split("]\n", 1)[0]
        message = message.rstrip("]").replace("] [", " ")
        raise ValueError(_unescaped(message)) from error


def _unescaped(message: str) -> str:
    """Returns text without the C escapes that TensorFlow adds."""
    try:
        as_bytes = message.encode().decode("unicode_escape").encode("latin-1")
        return as_bytes.decode()
    except UnicodeError:  # of an op that shows it otherwise
        return message


def _as_text(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    values = [str(value) for value in detail.numpy().ravel()]
    return " ".join(values[:_SHOWN] + ["..."] * (len(values) > _SHOWN))
