"""Prepares data for Keras: dicts that include each example's number.

The number keys the noise of integer data and of a VAE's latents. Only the code that
cuts batches knows it: a replica sees its share of a batch, and a step does not see
earlier batches.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.fitting.batch import parts, unpack


def fed(
    data: Any,
    weight: Any,
    name: str,
    numbered: bool,
    context_shape: tuple[int | None, ...] | None = None,
    shuffled: bool = False,
) -> Any:
    """Returns data in a form whose parts every pipeline of Keras keeps.

    Args:
      data: Arrays in any form of a batch, from which Keras cuts batches; or batches in
        these forms: a `tf.data.Dataset`, a generator or a `keras.utils.PyDataset`.
        Other arguments of Keras stay unchanged.
      weight: None or weights `[N]` of the examples, for arrays.
      name: The model that expects them.
      numbered: Whether examples without "index" get one. For arrays, it is the position
        in the data, whatever the order; for batches, the position among all examples so
        far; for a `PyDataset`, the position in it, or, if shuffled, another number that
        the position determines.
      context_shape: Shape of one context; arrays may have one for all rows.
      shuffled: Whether Keras asks for batches of a `PyDataset` out of order.

    Raises:
      ValueError: If the structure, a key or a weight is not valid, or parts have
        different numbers of rows.
    """
    if data is None:
        raise ValueError(f"{name}: expected data, got none")
    if _is_array_like(data):
        return _arrays(data, weight, name, numbered, context_shape)
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
        return _Numbered(data, numbered, shuffled)
    return data


def _is_array_like(data: Any) -> bool:
    return isinstance(data, dict | tuple | list) or hasattr(data, "__array__")


def one_context_each(
    data: Any, context_shape: tuple[int | None, ...] | None
) -> dict[str, Any]:
    """Returns arrays as a dict and repeats one context for all rows.

    Args:
      data: Arrays in any form of a batch.
      context_shape: Shape of one context; None: nothing is repeated.

    Raises:
      ValueError: If the structure or a key is another one.
    """
    given = _batch(data)
    context = given.get("context")
    if context is None or context_shape is None:
        return given
    if np.ndim(context) == len(context_shape):
        shape = (_rows(given), *np.shape(context))
        given["context"] = np.broadcast_to(context, shape)
    return given


def _arrays(
    data: Any,
    weight: Any,
    name: str,
    numbered: bool,
    context_shape: tuple[int | None, ...] | None,
) -> dict[str, Any]:
    if isinstance(data, tuple):
        data, own = unpack(data)
        if own is not None and weight is not None:
            raise ValueError(f"{name}: expected sample weights once, got them twice")
        weight = own if weight is None else weight
    given = one_context_each((data, None, weight), context_shape)
    for key, value in given.items():
        if getattr(getattr(value, "dtype", None), "kind", "f") in "OSUcmM":
            raise ValueError(f"{name}: expected {key} as numbers, got {value.dtype}")
        if np.ndim(given["x"]) and np.shape(value)[:1] != (_rows(given),):
            raise ValueError(
                f"{name}: expected {key} with {_rows(given)} rows, one for each of x, "
                f"got shape {np.shape(value)}"
            )
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
    if "index" in given or not np.ndim(given["x"]):
        return given
    index = np.arange(start, start + _rows(given), dtype="int64")
    return {**given, "index": index}


def _rows(given: dict[str, Any]) -> int:
    """Returns the number of examples; 0 for data that the model refuses."""
    return (*np.shape(given["x"]), 0)[0]


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
    # One batch ahead, so that counting does not wait in the training's own thread.
    return data.scan(tf.constant(0, tf.int64), with_index).prefetch(1)


def _batches(data: Iterator[Any], numbered: bool) -> Iterator[tuple[dict[str, Any]]]:
    start = 0
    for batch in data:
        given = _batch(batch)
        given = _with_index(given, start) if numbered else given
        start += _rows(given)
        yield (given,)  # Keras wants a tuple


def _batch(batch: Any) -> dict[str, Any]:
    return {key: _array(value, key) for key, value in parts(batch).items()}


class _Numbered(keras.utils.PyDataset):
    """A user's `PyDataset` with batches as dicts, numbered.

    In order, an example's number is its position among all examples; a worker that runs
    ahead of others asks for their batches, too, to count them. Out of order, counting
    would need all earlier batches, so each batch has its own numbers.
    """

    def __init__(
        self, data: keras.utils.PyDataset, numbered: bool, shuffled: bool
    ) -> None:
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self._data, self._is_numbered = data, numbered
        if data.num_batches == 0:
            raise ValueError("expected a PyDataset with batches, got one without")
        self._in_order = not shuffled or data.num_batches is None
        self._starts = {0: 0}  # the first number of each batch, if known

    @property
    def num_batches(self) -> int | None:
        return self._data.num_batches

    def __getitem__(self, index: int) -> dict[str, Any]:
        given = _batch(self._data[index])
        if not self._is_numbered or "index" in given:
            return given
        return _with_index(given, self._start(index, _rows(given)))

    def _start(self, index: int, rows: int) -> int:
        if not self._in_order:
            return index * 2**32
        starts, known = self._starts, index
        while known not in starts:
            known -= 1
        for earlier in range(known, index):
            starts[earlier + 1] = starts[earlier] + _rows(_batch(self._data[earlier]))
        starts[index + 1] = starts[index] + rows
        return starts[index]

    def on_epoch_begin(self) -> None:
        self._data.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._starts = {0: 0}  # the data may now cut other batches
        self._data.on_epoch_end()
