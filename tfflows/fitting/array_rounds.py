"""Cuts arrays into batches, without a pipeline that starts anew in each epoch."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters import get_data_adapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from tfflows.backend import random
from tfflows.fitting.step_loop import Round

_BATCH_SIZE = 32  # Keras' default


class ArrayRounds(DataAdapter):
    """Rounds of batches that Keras' `fit` takes in place of arrays.

    Keras turns arrays into a `tf.data` pipeline, which takes 20 to 40 ms to start in
    each epoch and passes each batch from thread to thread. This class gathers all
    batches of a round at once, on the device that trains on them.

    Args:
      arrays: "x" and other parts, each with one row per example.
      batch_size: None for Keras' default.
      number: Batches in a round.
      shuffle: Whether each epoch has its own order, determined by TensorFlow's global
        seed.
    """

    def __init__(
        self,
        arrays: dict[str, Any],
        batch_size: int | None,
        number: int,
        shuffle: bool,
    ) -> None:
        with tf.device("CPU:0"):  # a round at a time goes to a GPU
            self._parts = {key: _tensor(value) for key, value in arrays.items()}
        self._rows = len(self._parts["x"])
        self._size = batch_size or _BATCH_SIZE
        self._number, self._rng = number, None
        if shuffle:
            seed = random.as_seed(None).numpy().view("uint32")
            self._rng = np.random.default_rng(seed)

    @property
    def num_batches(self) -> int:
        """Number of batches in an epoch."""
        return math.ceil(self._rows / self._size)

    @property
    def batch_size(self) -> int:
        """Rows of each batch except maybe the last."""
        return self._size

    @property
    def has_partial_batch(self) -> bool:
        """Whether the last batch of an epoch is smaller."""
        return self.partial_batch_size is not None

    @property
    def partial_batch_size(self) -> int | None:
        """Rows of a smaller last batch; None without one."""
        return self._rows % self._size or None

    def get_tf_dataset(self) -> Any:
        """Returns the dataset that Keras iterates over, one epoch at a time."""
        return self

    def __iter__(self) -> Iterator[Any]:
        if self._rng is None:
            order = np.arange(self._rows)
        else:
            order = self._rng.permutation(self._rows)
        whole = self._rows // self._size * self._size
        batches = order[:whole].reshape(-1, self._size)
        rest = self._taken(order[whole:]) if self.has_partial_batch else ()
        for first in range(0, self.num_batches, self._number):
            some = batches[first : first + self._number]
            is_last = first + self._number >= self.num_batches
            yield Round(self._taken(some) if len(some) else (), rest if is_last else ())

    def _taken(self, rows: np.ndarray) -> dict[str, tf.Tensor]:
        with tf.device("CPU:0"):
            return {key: tf.gather(part, rows) for key, part in self._parts.items()}


def can_be_in_rounds(data: Any) -> bool:
    """Returns whether data from `feeding.fed` are arrays of the usual kinds."""
    kinds = (np.ndarray, tf.Tensor)
    arrays = isinstance(data, dict) and all(
        isinstance(value, kinds) and value.ndim for value in data.values()
    )
    return arrays and _keras_takes_adapters()


@functools.cache
def _keras_takes_adapters() -> bool:
    """Whether `fit` takes a `DataAdapter`: Keras 3.6 makes its own of arrays alone."""
    try:
        get_data_adapter(object.__new__(ArrayRounds))
    except ValueError:
        return False
    return True


def _tensor(value: Any) -> tf.Tensor:
    # As in Keras' pipeline, floats get its default dtype.
    value = tf.convert_to_tensor(value)
    return tf.cast(value, keras.config.floatx()) if value.dtype.is_floating else value
