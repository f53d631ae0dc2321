"""Keeps convolutions from empty batches, whose shape they get wrong."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import tensorflow as tf

from tfflows.bijectors.shapes import Run

# Whether the current pass has an empty batch; None if it cannot have one. A context
# variable, because passes of a user's steps may lie between a chain's padding and the
# BatchNormalization that must not count the padding row. A compiled pass pays nothing
# for it: only the trace reads it.
_is_padding: ContextVar[tf.Tensor | None] = ContextVar("is_padding", default=None)


def never_empty(run: Run) -> Run:
    """Wraps `run` to compute an empty batch with a row of zeros, which is dropped.

    oneDNN's convolutions return an empty batch with the channels of their input. In
    `run`, `without_padding` removes the row of zeros.
    """

    def padded(value: tf.Tensor, context: Any) -> tuple[tf.Tensor, ...]:
        if value.shape[0] or _is_padding.get() is not None:
            return run(value, context)
        rows = tf.shape(value)[0]
        missing = tf.maximum(1 - rows, 0)

        def pad(part: tf.Tensor) -> tf.Tensor:
            # tf.pad would lose the sizes of other axes, which TFLite needs.
            known = part.shape[1:].is_fully_defined()
            sizes = part.shape[1:] if known else tf.unstack(tf.shape(part)[1:])
            zeros = tf.zeros([missing, *sizes], part.dtype)
            return tf.concat([part, zeros], axis=0)

        token = _is_padding.set(tf.equal(rows, 0))
        try:
            outputs = run(pad(value), None if context is None else pad(context))
        finally:
            _is_padding.reset(token)
        return tuple(output[:rows] for output in outputs)

    return padded


def without_padding(value: tf.Tensor) -> tf.Tensor:
    """Returns the rows `[B, ...]` of data: none if they replace an empty batch."""
    is_padding = _is_padding.get()
    if is_padding is None:
        return value
    return value[: tf.where(is_padding, 0, tf.shape(value)[0])]
