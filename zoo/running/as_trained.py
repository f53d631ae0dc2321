"""Data in the form of those that a model was trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import DataInfo, DataSource, Examples
from tfflows.zoo.config import DataConfig
from tfflows.zoo.errors import ConfigError


def as_trained(source: DataSource, data: DataConfig) -> DataSource:
    """A source whose classes have the numbers of the training data.

    A folder may lack some of the classes, so that it numbers the others otherwise.
    Images [N, H, W] of models of version 0.1.0 stay without a channel.

    Args:
      source: The source.
      data: The configuration of a run, or of one that begins.

    Raises:
      ConfigError: The source has classes that the training data lack.
    """
    if data.event_shape is not None and (*data.event_shape, 1) == source.event_shape:
        flat = data.event_shape
        source = _changed(source, flat, lambda x: x[..., 0], source.label_names)
    names, found = data.label_names, source.label_names
    if names is None or found is None or found == names:
        return source
    unknown = [name for name in found if name not in names]
    if unknown:
        raise ConfigError(
            f"expected the classes {', '.join(names)} of the training data, got also "
            f"{', '.join(unknown)} from {source.name}"
        )
    numbers = np.array([names.index(name) for name in found])
    return _changed(source, source.event_shape, lambda x: x, names, numbers)


def _changed(
    source: DataSource,
    event_shape: tuple[int, ...],
    change: Callable[[np.ndarray], np.ndarray],
    label_names: tuple[str, ...] | None,
    numbers: np.ndarray | None = None,
) -> ArraySource:
    info = DataInfo(
        name=source.name,
        event_shape=event_shape,
        dtype=source.dtype,
        levels=source.levels,
        num_examples=source.num_examples,
        num_classes=None if label_names is None else len(label_names),
        observation_shape=source.observation_shape,
        columns=source.columns,
        label_names=label_names,
        row_numbers=source.row_numbers,
    )

    def read(split: str) -> Examples:
        labels = source.labels(split)
        if numbers is not None and labels is not None:
            labels = numbers[labels]
        return Examples(change(source.arrays(split)), labels)

    return ArraySource(info, read, label_as_context=source.label_as_context)
