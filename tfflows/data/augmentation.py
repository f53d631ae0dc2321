"""Images that are flipped and shifted at random while a model is trained."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfflows.backend import random
from tfflows.data.source import DataInfo, DataSource, Examples

WORDS = ("flip", "shift")
# Of a side, as the authors of Glow shift CIFAR-10.
_SHIFT = 0.1
_NUMBERS = 3  # uniform numbers for an image


class AugmentedSource(DataSource):
    """The images of another source, changed anew in each batch of a training.

    "flip": each image is mirrored with probability 1/2. "shift": it is moved by whole
    pixels, up to a tenth of its height and its width; its borders are repeated. Only
    `training_batches`, and `dataset` of the training split with `shuffle`, are changed.
    What becomes of an image follows from the seed, the step and its index.

    Args:
        source: a source of images [H, W, C].
        words: some of "flip" and "shift".
        seed: seed of the changes.

    Raises:
        ValueError: another word, or data that are no images.
    """

    def __init__(self, source: DataSource, words: Sequence[str], seed: int = 0) -> None:
        unknown = [word for word in words if word not in WORDS]
        if unknown or not words:
            raise ValueError(
                f"expected augment of {' and '.join(WORDS)}, got {','.join(words)!r}"
            )
        if len(source.event_shape) != 3:
            raise ValueError(
                "expected images of shape (height, width, channels) to augment, got "
                f"examples of shape {source.event_shape} from {source.name!r}"
            )
        info = DataInfo(
            name=source.name,
            event_shape=source.event_shape,
            dtype=source.dtype,
            levels=source.levels,
            num_examples=source.num_examples,
            num_classes=source.num_classes,
            observation_shape=source.observation_shape,
            label_names=source.label_names,
            row_numbers=source.row_numbers,
        )
        super().__init__(info, label_as_context=source.label_as_context)
        self._source, self._words, self._seed = source, tuple(words), seed

    def _examples(self, split: str, limit: int) -> Examples:
        return self._source._examples(split, limit)

    def _batches(
        self, split: str, batch_size: int, seed: int | None, drop_remainder: bool
    ) -> tf.data.Dataset:
        batches = self._source._batches(split, batch_size, seed, drop_remainder)
        if seed is None or split != "train":
            return batches
        keys = tf.data.Dataset.random(seed=seed + 1, rerandomize_each_iteration=True)
        return tf.data.Dataset.zip(keys, batches).map(self._changed)

    def _batches_from(
        self, first_step: int, steps: int, rows: int, seed: int
    ) -> tf.data.Dataset:
        batches = self._source._batches_from(first_step, steps, rows, seed)
        keys = tf.data.Dataset.counter(first_step)
        return tf.data.Dataset.zip(keys, batches).map(self._changed)

    def _changed(self, key: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict:
        seeds = random.noise_seeds(self._seed, 0, key, batch["index"])
        uniform = random.uniform_rows(seeds, _NUMBERS)
        x = batch["x"]
        if "flip" in self._words:
            mirrored = uniform[:, 0] < 0.5
            x = tf.where(mirrored[:, None, None, None], tf.reverse(x, [2]), x)
        if "shift" in self._words:
            for axis in (1, 2):
                x = _shifted(x, axis, uniform[:, axis])
        return {**batch, "x": x}


def _shifted(x: tf.Tensor, axis: int, uniform: tf.Tensor) -> tf.Tensor:
    """Moves each image `[B, H, W, C]` along an axis; `uniform` `[B]` says how far."""
    size = tf.shape(x)[axis]
    most = tf.round(_SHIFT * tf.cast(size, tf.float32))
    steps = tf.cast(tf.floor(uniform * (2.0 * most + 1.0)) - most, tf.int32)
    places = tf.clip_by_value(tf.range(size) - steps[:, None], 0, size - 1)
    return tf.gather(x, places, axis=axis, batch_dims=1)
