"""What Keras is handed to train or evaluate on: dicts, with each example's number.

The noise of integer data and of a VAE's latents is keyed by an example's number. That
is known only where batches are cut: a replica sees its share of a batch, and a step
nothing of the batches before it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.fitting.batch import parts, unpack


def fed(data: Any, weight: Any, name: str, numbered: bool) -> Any:
    """Data in the form in which every pipeline of Keras keeps all of their parts.

    Args:
      data: Arrays in any form of a batch, of which Keras cuts batches; or batches of
        these forms: a `tf.data.Dataset`, a generator, a `keras.utils.PyDataset`. What
        else Keras takes stays as it is.
      weight: None or weights `[N]` of the examples, for arrays.
      name: Who expects them.
      numbered: Whether examples without "index" get one: arrays the place in the data,
        whatever the order and the batches; of batches the place in all that came
        before, in the order in which they come.

    Raises:
      ValueError: For other structures, keys or weights.
    """
    if data is None:
        raise ValueError(f"{name}: expected data, got none")
    if _is_array_like(data):
        return _arrays(data, weight, name, numbered)
    if weight is not None:
        raise ValueError(
            f"{name}: expected sample_weight= with arrays, got it with a "
            f"{type(data).__name__}; let its batches be (x, None, sample_weight) or "
            "{'x': x, 'sample_weight': w}"
        )
    if isinstance(data, tf.data.Dataset):
        return _dataset(data, numbered)
    if isinstance(data, types.GeneratorType):
        return _batches(data, numbered)
    if isinstance(data, keras.utils.PyDataset) and not isinstance(data, _Numbered):
        return _Numbered(data, numbered)
    return data


def _is_array_like(data: Any) -> bool:
    return isinstance(data, dict | tuple | list) or hasattr(data, "__array__")


def _arrays(data: Any, weight: Any, name: str, numbered: bool) -> dict[str, Any]:
    if isinstance(data, tuple):
        data, own = unpack(data)
        if own is not None and weight is not None:
            raise ValueError(f"{name}: expected sample weights once, got them twice")
        weight = own if weight is None else weight
    given = {key: _array(value, key) for key, value in parts(data).items()}
    if weight is not None:
        weight = np.asarray(weight, "float32")
        given = parts((given, None, weight))
        if not np.all(weight >= 0):
            raise ValueError(f"{name}: expected sample weights >= 0")
    return _with_index(given, 0) if numbered else given


def _array(value: Any, key: str) -> Any:
    if not isinstance(value, list | tuple):
        return value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"expected {key} as one array, got a {type(value).__name__} of "
            f"{len(value)} of several shapes; labels are given as "
            "{'x': x, 'context': labels}"
        ) from error


def _with_index(given: dict[str, Any], start: int) -> dict[str, Any]:
    shape: Any = getattr(given["x"], "shape", ())
    if "index" in given or not len(shape):
        return given
    return {**given, "index": np.arange(start, start + shape[0], dtype="int64")}


def _dataset(data: tf.data.Dataset, numbered: bool) -> tf.data.Dataset:
    given = parts(data.element_spec)
    if not numbered or "index" in given:
        return data

    def with_index(start: tf.Tensor, batch: Any) -> tuple[tf.Tensor, dict[str, Any]]:
        batch = parts(batch)
        rows = tf.shape(batch["x"], out_type=tf.int64)[0]
        index = tf.ensure_shape(start + tf.range(rows), batch["x"].shape[:1])
        return start + rows, {**batch, "index": index}

    if given["x"].shape.rank == 0:
        return data  # which the model refuses
    # One batch ahead: counting does not wait in the training's own thread.
    return data.scan(tf.constant(0, tf.int64), with_index).prefetch(1)


def _batches(data: Iterator[Any], numbered: bool) -> Iterator[tuple[dict[str, Any]]]:
    start = 0
    for batch in data:
        given = _batch(batch)
        given = _with_index(given, start) if numbered else given
        start += len(given["x"])
        yield (given,)  # Keras wants a tuple


def _batch(batch: Any) -> dict[str, Any]:
    return {key: _array(value, key) for key, value in parts(batch).items()}


class _Numbered(keras.utils.PyDataset):
    """A user's `PyDataset` with batches as dicts.

    Batches are numbered by their place in it, in whatever order they are asked for.
    """

    def __init__(self, data: keras.utils.PyDataset, numbered: bool) -> None:
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self._data, self._is_numbered = data, numbered
        if data.num_batches == 0:
            raise ValueError("expected a PyDataset with batches, got one without")
        # All batches but the last are as long as the first.
        self._rows = len(_batch(data[0])["x"]) if numbered else 0

    @property
    def num_batches(self) -> int | None:
        return self._data.num_batches

    def __getitem__(self, index: int) -> dict[str, Any]:
        given = _batch(self._data[index])
        return _with_index(given, index * self._rows) if self._is_numbered else given

    def on_epoch_begin(self) -> None:
        self._data.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._data.on_epoch_end()
