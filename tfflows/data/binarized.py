"""Grey images as black and white ones, drawn with the grey level's probability."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfflows import random
from tfflows.data.source import DataInfo, DataSource, Examples

_CHUNK = 4096


class BinarizedSource(DataSource):
    """Another source's images with P(x = 1) = level / (levels - 1): uint8, 2 levels.

    Validation and test are drawn once, keyed by the example's index, and so is the
    training split where `static`. Otherwise it is drawn afresh in each epoch.

    Source: Salakhutdinov and Murray, "On the Quantitative Analysis of Deep Belief
    Networks", 2008; Burda et al., 2015, arXiv 1509.00519, section 5, for the fresh
    draws. (The fixed draw here is not the one that Larochelle published.)

    Args:
        source: a source of integer data.
        static: whether the training split, too, is drawn only once.
        seed: seed of the draws.

    Raises:
        ValueError: a source of continuous data.
    """

    def __init__(self, source: DataSource, *, static: bool, seed: int = 0) -> None:
        if source.levels is None:
            raise ValueError(
                f"expected integer data to binarize, got {source.name!r}, which are "
                "continuous"
            )
        kind = "static_binarized" if static else "binarized"
        info = DataInfo(
            name=f"{kind}:{source.name}",
            event_shape=source.event_shape,
            dtype="uint8",
            levels=2,
            num_examples=source.num_examples,
            num_classes=source.num_classes,
        )
        super().__init__(info, label_as_context=source.label_as_context)
        self._source, self._static, self._seed = source, static, seed
        self._top_level = source.levels - 1

    def _examples(self, split: str, limit: int) -> Examples:
        grey = self._source.arrays(split, limit)
        x = np.empty_like(grey, np.uint8)
        for start in range(0, len(grey), _CHUNK):
            stop = min(start + _CHUNK, len(grey))
            index = tf.range(start, stop, dtype=tf.int64)
            x[start:stop] = self._draw(split, grey[start:stop], index)
        x.setflags(write=False)
        return Examples(x, self._source.labels(split, limit))

    def _batches(
        self, split: str, batch_size: int, seed: int | None, drop_remainder: bool
    ) -> tf.data.Dataset:
        batches = self._source._batches(split, batch_size, seed, drop_remainder)
        if self._static or split != "train":
            return batches.map(lambda batch: self._binarized(split, batch))
        keys = tf.data.Dataset.random(
            seed=self._seed + 1, rerandomize_each_iteration=True
        )
        return tf.data.Dataset.zip(batches, keys).map(
            lambda batch, key: self._binarized(split, batch, key)
        )

    def _binarized(
        self, split: str, batch: dict[str, tf.Tensor], key: tf.Tensor | int = 0
    ) -> dict[str, tf.Tensor]:
        return {**batch, "x": self._draw(split, batch["x"], batch["index"], key)}

    def _draw(
        self, split: str, grey: tf.Tensor, index: tf.Tensor, key: tf.Tensor | int = 0
    ) -> tf.Tensor:
        stream = list(self.num_examples).index(split)
        seeds = random.noise_seeds(self._seed, stream, key, index)
        size = int(np.prod(self.event_shape))
        uniform = tf.reshape(random.uniform_rows(seeds, size), (-1, *self.event_shape))
        probability = tf.cast(grey, tf.float32) / self._top_level
        return tf.cast(uniform < probability, tf.uint8)
