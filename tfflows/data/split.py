"""Seeded, disjoint splits of data that come in one piece."""

from collections.abc import Mapping

import numpy as np

from tfflows.data.labels import check_classes
from tfflows.data.pipelines import ArraySource
from tfflows.data.source import SPLITS, DataInfo, Examples


def split_source(
    name: str,
    examples: Examples,
    *,
    seed: int,
    levels: int | None = None,
    num_classes: int | None = None,
    observation_shape: tuple[int, ...] | None = None,
    sizes: tuple[int, int, int] | None = None,
    label_as_context: bool = False,
    columns: tuple[str, ...] | None = None,
    label_names: tuple[str, ...] | None = None,
) -> ArraySource:
    """Splits arrays by a seeded permutation into an in-memory source.

    Args:
        name: name of the source.
        examples: all the data; `x` [N, *event_shape].
        seed: fixes the permutation.
        levels: number of levels of integer data, None for continuous data.
        num_classes: number of classes of the labels, None where there are none.
        observation_shape: shape of an observation, None where there are none.
        sizes: rows of train, validation and test, N altogether; None: 80, 10 and
            10 per cent, but at least one row each.
        label_as_context: whether batches carry the label as "context".
        columns: names of a table's columns, None where they have none.
        label_names: names of the classes; num_classes is then their number.

    Raises:
        ValueError: fewer than three rows, or labels as context of which a class has
            one example, or none for training.
    """
    num_rows, own = len(examples.x), sizes is None
    if label_names is not None:
        num_classes = len(label_names)
    sizes = sizes or _default_sizes(name, num_rows)
    order = np.random.default_rng(seed).permutation(num_rows)
    parts = np.split(order, np.cumsum(sizes)[:-1])
    splits: Mapping[str, Examples] = {
        split: Examples(
            examples.x[rows],
            None if examples.labels is None else examples.labels[rows],
        )
        for split, rows in zip(SPLITS, parts, strict=True)
    }
    info = DataInfo(
        name=name,
        event_shape=examples.x.shape[1:],
        dtype=examples.x.dtype.name,
        levels=levels,
        num_examples=dict(zip(SPLITS, sizes, strict=True)),
        num_classes=num_classes,
        observation_shape=observation_shape,
        columns=columns,
        label_names=label_names,
        row_numbers=dict(zip(SPLITS, parts, strict=True)) if own else None,
    )
    if label_as_context and label_names is not None:
        check_classes(name, [splits[split].labels for split in SPLITS], label_names)
    return ArraySource(info, splits.__getitem__, label_as_context=label_as_context)


def _default_sizes(name: str, num_rows: int) -> tuple[int, int, int]:
    if num_rows < len(SPLITS):
        raise ValueError(
            f"{name}: expected at least 3 examples, one for each of train, "
            f"validation and test, got {num_rows}"
        )
    held_out = max(1, num_rows // 10)
    return num_rows - 2 * held_out, held_out, held_out
