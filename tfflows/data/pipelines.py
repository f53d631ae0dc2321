"""The two kinds of sources: in memory, and streamed from disk."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.data.source import DataInfo, DataSource, Examples

# A streamed source shuffles through a buffer of at most this many bytes.
_SHUFFLE_BUFFER_BYTES = 256 * 2**20
# The order of so many batches is computed at once: for one at a time, the overhead of
# its few dozen operations would be felt in the training of small models.
_STEPS_AT_ONCE = 32


class ArraySource(DataSource):
    """A source in memory: indices are shuffled, and each batch is one gather.

    Args:
        info: shapes, types and counts.
        read: reads one split; called at most once for each, on first use.
        label_as_context: whether batches carry the label as "context".
    """

    def __init__(
        self,
        info: DataInfo,
        read: Callable[[str], Examples],
        *,
        label_as_context: bool = False,
    ) -> None:
        super().__init__(info, label_as_context=label_as_context)
        self._read = read
        self._splits: dict[str, Examples] = {}

    def _examples(self, split: str, limit: int) -> Examples:
        if split not in self._splits:
            examples = self._read(split)
            # Callers get views; a write through one would change the data set.
            for array in examples:
                if array is not None:
                    array.setflags(write=False)
            self._splits[split] = examples
        x, labels = self._splits[split]
        return Examples(x[:limit], None if labels is None else labels[:limit])

    def _batches(
        self, split: str, batch_size: int, seed: int | None, drop_remainder: bool
    ) -> tf.data.Dataset:
        size = self.num_examples[split]
        indices = tf.data.Dataset.range(size)
        if seed is not None:
            indices = indices.shuffle(size, seed=seed)
        return self._gathered(split, indices.batch(batch_size, drop_remainder))

    def _batches_from(
        self, first_step: int, steps: int, rows: int, seed: int
    ) -> tf.data.Dataset:
        last = self.num_examples["train"] - 1
        words = _epoch_seed(seed, tf.constant([0]))  # weak orders follow from a seed 0

        def indices(first: tf.Tensor) -> tf.Tensor:
            step = first + tf.range(_STEPS_AT_ONCE, dtype=tf.int64)
            row = tf.range(rows, dtype=tf.int64)
            places = (step % steps * rows)[:, tf.newaxis] + row
            epoch = tf.cast(step // steps, tf.int32)[:, tf.newaxis]
            keys = tf.concat([tf.tile(words, [_STEPS_AT_ONCE, 1]), epoch], axis=1)
            # A permutation that is computed place by place: any step costs the same.
            order = tf.raw_ops.RandomIndexShuffle(
                index=tf.reshape(places, [-1]),
                seed=tf.repeat(keys, rows, axis=0),
                max_index=tf.constant(last, tf.int64),
                rounds=8,  # with 4, TensorFlow's default, orders of epochs correlate
            )
            return tf.reshape(order, [_STEPS_AT_ONCE, rows])

        counter = tf.data.Dataset.counter(first_step, _STEPS_AT_ONCE)
        return self._gathered("train", counter.map(indices).unbatch())

    def _gathered(self, split: str, indices: tf.data.Dataset) -> tf.data.Dataset:
        """Returns the batches of the examples at `indices`, a dataset of [B]."""
        examples = self._examples(split, self.num_examples[split])
        with tf.device("CPU:0"):  # tf.data runs there; a GPU would copy back and forth
            x = tf.convert_to_tensor(examples.x)
            labels = (
                tf.convert_to_tensor(examples.labels) if self.label_as_context else None
            )

        def gather(index: tf.Tensor) -> dict[str, tf.Tensor]:
            context = None if labels is None else tf.gather(labels, index)
            return self._batch(index, tf.gather(x, index), context)

        return indices.map(gather)


class StreamedSource(DataSource):
    """A source too large for memory, read from disk at each epoch.

    Shuffling goes through a buffer of at most 256 MiB, so it is local in large
    sets.

    Args:
        info: shapes, types and counts.
        stream: returns a split as a dataset of (x, label) in a fixed order; the
            label of an unlabelled set is any scalar.
        label_as_context: whether batches carry the label as "context".
    """

    def __init__(
        self,
        info: DataInfo,
        stream: Callable[[str], tf.data.Dataset],
        *,
        label_as_context: bool = False,
    ) -> None:
        super().__init__(info, label_as_context=label_as_context)
        self._info = info
        self._stream = stream

    def _examples(self, split: str, limit: int) -> Examples:
        return collect(self._stream(split).take(limit), limit, self._info)

    def _batches(
        self, split: str, batch_size: int, seed: int | None, drop_remainder: bool
    ) -> tf.data.Dataset:
        dataset = self._stream(split).enumerate()
        if seed is not None:
            dataset = dataset.shuffle(self._buffer_size(split), seed=seed)
        return dataset.batch(batch_size, drop_remainder).map(
            lambda index, example: self._batch(index, *example)
        )

    def _batches_from(
        self, first_step: int, steps: int, rows: int, seed: int
    ) -> tf.data.Dataset:
        dataset = self._stream("train").enumerate()
        buffer_size = self._buffer_size("train")

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            words = tf.cast(_epoch_seed(seed, number), tf.int64)
            key = words[0] * 2**31 + words[1]
            order = dataset.shuffle(
                buffer_size, seed=key, reshuffle_each_iteration=False
            )
            return order.take(steps * rows)

        # The first epoch is read from its beginning: a stream has no other way.
        first_epoch, step = divmod(first_step, steps)
        epochs = tf.data.Dataset.counter(first_epoch).flat_map(epoch)
        examples = epochs.skip(step * rows)
        return examples.batch(rows, drop_remainder=True).map(
            lambda index, example: self._batch(index, *example)
        )

    def _buffer_size(self, split: str) -> int:
        buffer_size = max(1, _SHUFFLE_BUFFER_BYTES // self._info.example_bytes)
        return min(buffer_size, self.num_examples[split])


def _epoch_seed(seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """The seeds of the order of epochs [...]: int32 [..., 2], not negative."""
    keys = random.fold_in(random.as_seed(seed), tf.reshape(epoch, [-1]))
    keys = tf.reshape(keys, tf.concat([tf.shape(epoch), [2]], axis=0))
    return tf.bitwise.bitwise_and(keys, tf.int32.max)


def collect(dataset: tf.data.Dataset, size: int, info: DataInfo) -> Examples:
    """Reads a dataset of (x, label) into arrays.

    Args:
        dataset: examples, not batched; the label of an unlabelled set is ignored.
        size: number of examples that the dataset holds.
        info: their shape and type.

    Raises:
        ValueError: fewer examples than `size`, or a check in the dataset failed.
    """
    x = np.empty((size, *info.event_shape), info.dtype)
    labels = np.empty((size,), np.int64)
    filled = 0
    try:
        for batch_x, batch_labels in dataset.batch(1024).as_numpy_iterator():
            stop = filled + len(batch_x)
            x[filled:stop], labels[filled:stop] = batch_x, batch_labels
            filled = stop
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"data set {info.name!r}: {error.message}") from error
    if filled != size:
        raise ValueError(
            f"data set {info.name!r}: expected {size} examples, got {filled}; prepare "
            "it again"
        )
    return Examples(x, labels if info.num_classes else None)
