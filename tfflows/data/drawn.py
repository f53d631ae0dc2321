"""Sources of which each example is drawn given that of another source."""

from __future__ import annotations

import abc
import math

import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.data.source import DataInfo, DataSource, Examples

_CHUNK = 4096


class DrawnSource(DataSource):
    """Examples made of another source's and of uniform numbers, by `_made`.

    Validation and test are drawn once, keyed by the example's index, and so is the
    training split where `static`. Otherwise it is drawn afresh in each epoch.

    Args:
        source: the other source.
        info: what is known of the data that are made.
        static: whether the training split, too, is drawn only once.
        seed: seed of the draws.
    """

    def __init__(
        self, source: DataSource, info: DataInfo, *, static: bool, seed: int = 0
    ) -> None:
        super().__init__(info, label_as_context=source.label_as_context)
        self._source, self._static, self._seed = source, static, seed

    @abc.abstractmethod
    def _made(self, x: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        """An example of each `x` [B, *shape] and numbers in (0, 1) of that shape."""

    def _examples(self, split: str, limit: int) -> Examples:
        given = self._source.arrays(split, limit)
        x = np.empty((len(given), *self.event_shape), self.dtype)
        for start in range(0, len(given), _CHUNK):
            stop = min(start + _CHUNK, len(given))
            index = tf.range(start, stop, dtype=tf.int64)
            x[start:stop] = self._draw(split, given[start:stop], index)
        x.setflags(write=False)
        return Examples(x, self._source.labels(split, limit))

    def _batches(
        self, split: str, batch_size: int, seed: int | None, drop_remainder: bool
    ) -> tf.data.Dataset:
        batches = self._source._batches(split, batch_size, seed, drop_remainder)
        if self._static or split != "train":
            return batches.map(lambda batch: self._drawn(split, batch))
        keys = tf.data.Dataset.random(
            seed=self._seed + 1, rerandomize_each_iteration=True
        )
        return tf.data.Dataset.zip(batches, keys).map(
            lambda batch, key: self._drawn(split, batch, key)
        )

    def _batches_from(
        self, first_step: int, steps: int, rows: int, seed: int
    ) -> tf.data.Dataset:
        batches = self._source._batches_from(first_step, steps, rows, seed)
        if self._static:
            return batches.map(lambda batch: self._drawn("train", batch))
        keys = tf.data.Dataset.counter(first_step + 1)  # 0 is the fixed draw's
        return tf.data.Dataset.zip(batches, keys).map(
            lambda batch, key: self._drawn("train", batch, key)
        )

    def _drawn(
        self, split: str, batch: dict[str, tf.Tensor], key: tf.Tensor | int = 0
    ) -> dict[str, tf.Tensor]:
        return {**batch, "x": self._draw(split, batch["x"], batch["index"], key)}

    def _draw(
        self, split: str, x: tf.Tensor, index: tf.Tensor, key: tf.Tensor | int = 0
    ) -> tf.Tensor:
        stream = list(self.num_examples).index(split)
        seeds = random.noise_seeds(self._seed, stream, key, index)
        shape = self._source.event_shape
        uniform = random.uniform_rows(seeds, math.prod(shape))
        return self._made(x, tf.reshape(uniform, (-1, *shape)))
