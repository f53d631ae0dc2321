"""Chooses the steps of a round for `steps_per_execution="auto"`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.weight_kinds import stacked_axes

_MOST = 32
# Operations in a round: some tenths of a second on two cores. A request to stop waits
# for the end of a round, and rounds do not make longer steps faster.
_OPERATIONS = 4e10
_BYTES = 2**25  # of a round's batches; some rounds are in memory at once
_ROWS = 256  # in a batch of unknown size
_ON_BATCHES = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)


def steps_in_round(
    model: keras.Model,
    rows: int | None,
    callbacks: Iterable[keras.callbacks.Callback],
) -> int:
    """Returns the steps of a round that is short and fits in memory.

    Args:
      model: The compiled model.
      rows: Rows of a batch; None if unknown.
      callbacks: Those of the training. If one acts after each batch, the result is 1.

    Returns:
      1 or more. It does not depend on the length of an epoch, because another number
      would trace the training again.
    """
    most = min((_most_at_once(callback) for callback in callbacks), default=_MOST)
    if most <= 1 or (model.jit_compile and _has_convolutions(model)):
        # In a loop, XLA computes some gradients of convolutions very slowly.
        return 1
    rows = rows or _ROWS
    event = getattr(model, "event_shape", None) or (1,)
    wanted = min(
        most,
        _MOST,
        _OPERATIONS // (6 * rows * _products_of_a_row(model, event)),
        _BYTES // (4 * rows * math.prod(event)),
    )
    return max(1, int(wanted))


def _products_of_a_row(model: keras.Model, event: tuple[int, ...]) -> int:
    """Estimates the products that one example takes in one direction."""
    positions = math.prod(event[:-1])
    return max(
        1,
        sum(
            math.prod(weight.shape) * (positions if _is_convolution(weight) else 1)
            for weight in model.trainable_weights
        ),
    )


def _is_convolution(weight: keras.Variable) -> bool:
    return len(weight.shape) - stacked_axes(weight) == 4


def _has_convolutions(model: keras.Model) -> bool:
    return any(map(_is_convolution, model.trainable_weights))


def _most_at_once(callback: keras.callbacks.Callback) -> int:
    """Returns the most steps after which callbacks must be called."""
    if hasattr(callback, "most_steps_at_once"):
        return callback.most_steps_at_once or _MOST
    known = keras.callbacks
    if isinstance(callback, known.ProgbarLogger):
        return _MOST
    if isinstance(callback, known.ModelCheckpoint):
        return _MOST if callback.save_freq == "epoch" else 1
    if isinstance(callback, known.TensorBoard):
        quiet = callback.update_freq == "epoch" and not callback._should_trace
        return _MOST if quiet else 1
    acts = any(_is_overridden(callback, name) for name in _ON_BATCHES)
    return 1 if acts else _MOST


def _is_overridden(callback: keras.callbacks.Callback, name: str) -> bool:
    method = getattr(callback, name)
    base = getattr(keras.callbacks.Callback, name)
    return getattr(method, "__func__", method) is not base


def batch_rows(data: Any, batch_size: int | None) -> int | None:
    """Returns the rows of a batch of data from `feeding.fed`; None if unknown."""
    if isinstance(data, tf.data.Dataset):
        first = tf.nest.flatten(data.element_spec)[0]
        return first.shape[0] if getattr(first.shape, "rank", None) else None
    return batch_size or (32 if isinstance(data, dict) else None)
