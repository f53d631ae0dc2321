"""Data sources: three disjoint splits of one data set as `tf.data` pipelines."""

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

SPLITS = ("train", "validation", "test")


class Examples(NamedTuple):
    """The examples of one split: `x` [N, *event_shape] and what they depend on.

    `labels` are class labels [N], observations [N, C] or None.
    """

    x: np.ndarray
    labels: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class DataInfo:
    """What is known of a data set before any example is read.

    Attributes:
        name: the data set's name.
        event_shape: shape of one example.
        dtype: "uint8" for images and digits, else "float32".
        levels: number of levels of integer data (values 0 .. levels - 1), or
            None for continuous data.
        num_examples: number of examples of each split.
        num_classes: number of classes of the labels; None where there are none.
        observation_shape: shape of what was observed of each example, in the place of
            a label; None where nothing was.
        columns: names of a table's columns; None where they have none.
        label_names: names of the classes, in the order of their numbers; None: where
            there are classes, their numbers.
        row_numbers: the places `[n]`, from 0 on, of each split's examples in the user's
            file; None where there is none.
    """

    name: str
    event_shape: tuple[int, ...]
    dtype: str
    levels: int | None
    num_examples: Mapping[str, int]
    num_classes: int | None = None
    observation_shape: tuple[int, ...] | None = None
    columns: tuple[str, ...] | None = None
    label_names: tuple[str, ...] | None = None
    row_numbers: Mapping[str, np.ndarray] | None = None

    @property
    def example_bytes(self) -> int:
        """The bytes that one example takes in memory."""
        return math.prod(self.event_shape) * np.dtype(self.dtype).itemsize


class DataSource(abc.ABC):
    """Splits "train", "validation" and "test" of one data set.

    The splits are disjoint and fixed by the source. An example's index is its
    position within its split, `arrays(split)[index]`; it depends neither on the
    batch size nor on shuffling, so that noise can be keyed on it.

    Args:
        info: shapes, types and counts.
        label_as_context: whether batches carry the label, or the observation, as
            "context".

    Raises:
        ValueError: labels are asked for and the data set has none.
    """

    def __init__(self, info: DataInfo, *, label_as_context: bool = False) -> None:
        has_labels = (info.num_classes, info.observation_shape) != (None, None)
        if label_as_context and not has_labels:
            raise ValueError(
                f"data set {info.name!r} has no labels; "
                f"expected label_as_context=False, got True{_hint(info.name)}"
            )
        self.name = info.name
        self.event_shape = info.event_shape
        self.dtype = info.dtype
        self.levels = info.levels
        self.num_examples = dict(info.num_examples)
        self.num_classes = info.num_classes
        self.columns = info.columns
        self.observation_shape = info.observation_shape
        self.row_numbers = info.row_numbers
        self.label_names = info.label_names
        if self.label_names is None and info.num_classes is not None:
            self.label_names = tuple(map(str, range(info.num_classes)))
        self.label_as_context = label_as_context

    def dataset(
        self,
        split: str,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_remainder: bool = False,
    ) -> tf.data.Dataset:
        """Returns one epoch of batches.

        Args:
            split: "train", "validation" or "test".
            batch_size: number of examples of a batch (the last may have fewer).
            shuffle: whether to shuffle, anew in each epoch.
            seed: non-negative; fixes the sequence of orders, one for each epoch.
            drop_remainder: whether to leave out a last, smaller batch.

        Returns:
            A `tf.data.Dataset` of dicts "x" [B, *event_shape], "index" int64 [B]
            and, with `label_as_context`, "context": labels int64 [B], or
            observations float32 [B, *observation_shape].

        Raises:
            ValueError: an unknown split, a bad seed, or a batch size that is no
                positive integer or would drop every example.
        """
        size = self._split_size(split)
        check_positive("batch_size", batch_size)
        check_seed(seed)
        if drop_remainder and batch_size > size:
            raise ValueError(
                f"split {split!r} of {self.name!r} has {size} examples: expected "
                f"batch_size <= {size} with drop_remainder=True, got {batch_size}"
            )
        dataset = self._batches(
            split, batch_size, seed if shuffle else None, drop_remainder
        )
        return self._ready(dataset)

    def training_batches(
        self, batch_size: int, *, seed: int = 0, first_step: int = 0
    ) -> tf.data.Dataset:
        """Returns the batches of all epochs, without end, from any step on.

        Each epoch has its own order. The batch of a step depends on the seed and the
        step alone, so that a training that goes on at a step sees the data that it
        would have seen without a stop, and each iteration gives the same.

        Args:
            batch_size: number of examples of a batch; with fewer training examples
                than that, a batch is all of them. A smaller last batch of an epoch,
                whose examples would weigh more, is left out.
            seed: non-negative; fixes the orders.
            first_step: number of the first batch that is returned.

        Returns:
            Batches as `dataset` gives them.

        Raises:
            ValueError: a bad seed, step or batch size.
        """
        check_positive("batch_size", batch_size)
        check_seed(seed)
        if not _is_integer(first_step) or first_step < 0:
            raise ValueError(f"expected first_step >= 0, got {first_step!r}")
        steps = self.steps_per_epoch(batch_size)
        rows = min(batch_size, self.num_examples["train"])
        return self._ready(self._batches_from(first_step, steps, rows, seed))

    def steps_per_epoch(self, batch_size: int) -> int:
        """The number of batches of `training_batches` in an epoch."""
        return max(self.num_examples["train"] // batch_size, 1)

    def _ready(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        options = tf.data.Options()
        # Under tf.distribute each worker reads every batch and takes its part; the
        # default would first try to share out files and warn that there are none.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        # An iterator's end waits until its tuner's thread next wakes, up to a minute
        # later (TF 2.21), at the end of each `fit` and `evaluate`.
        options.autotune.enabled = False
        return dataset.with_options(options).prefetch(2)

    def arrays(self, split: str, limit: int | None = None) -> np.ndarray:
        """Returns the examples, in the order of their index, as a read-only array.

        Args:
            split: "train", "validation" or "test".
            limit: number of examples to return, the first ones; None: all.

        Returns:
            Array [N, *event_shape] of the source's `dtype`.

        Raises:
            ValueError: an unknown split, or a limit that is no positive integer.
        """
        return self._checked_examples(split, limit).x

    def labels(self, split: str, limit: int | None = None) -> np.ndarray | None:
        """Returns labels int64 [N] or observations, in the index's order, or None.

        Args:
            split: "train", "validation" or "test".
            limit: number of labels to return, the first ones; None: all.

        Raises:
            ValueError: an unknown split, or a limit that is no positive integer.
        """
        return self._checked_examples(split, limit).labels

    def _checked_examples(self, split: str, limit: int | None) -> Examples:
        size = self._split_size(split)
        if limit is not None:
            check_positive("limit", limit)
        return self._examples(split, size if limit is None else min(limit, size))

    def _split_size(self, split: str) -> int:
        if split not in self.num_examples:
            raise ValueError(
                f"expected a split of {self.name!r} among {list(self.num_examples)}, "
                f"got {split!r}"
            )
        return self.num_examples[split]

    def _batch(
        self, index: tf.Tensor, x: tf.Tensor, labels: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        batch = {"x": x, "index": index}
        if self.label_as_context:
            batch["context"] = labels
        return batch

    @abc.abstractmethod
    def _batches(
        self, split: str, batch_size: int, seed: int | None, drop_remainder: bool
    ) -> tf.data.Dataset:
        """Returns the batches of a split; `seed` None: in the order of the index."""

    @abc.abstractmethod
    def _batches_from(
        self, first_step: int, steps: int, rows: int, seed: int
    ) -> tf.data.Dataset:
        """Returns `training_batches`: epochs of `steps` batches of `rows` examples."""

    @abc.abstractmethod
    def _examples(self, split: str, limit: int) -> Examples:
        """Returns the first `limit` examples of a split."""


def _hint(name: str) -> str:
    """How own data of a kind come by labels."""
    ways = {
        "images": "put the images of each class in a subfolder",
        "npz": "add an array y with a label for each example",
        "csv": "name a column as label_column or context_columns",
        "parquet": "name a column as label_column or context_columns",
    }
    way = ways.get(name.partition(":")[0])
    return f"; {way}" if way else ""


def check_positive(name: str, value: int) -> None:
    """Raises ValueError unless `value` is a positive integer."""
    if not _is_integer(value) or value < 1:
        raise ValueError(f"expected {name} to be a positive integer, got {value!r}")


def check_seed(seed: int) -> None:
    """Raises ValueError unless `seed` is an integer from 0 to 2^63 - 1."""
    if not _is_integer(seed) or not 0 <= seed < 2**63:
        raise ValueError(
            f"expected seed to be an integer from 0 to 2^63 - 1, got {seed!r}"
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
