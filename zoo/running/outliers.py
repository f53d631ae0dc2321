"""The rows of lowest density, each by a model that has not seen it."""

from __future__ import annotations

import pathlib
import tempfile
import time
from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tfflows.data import DataSource
from tfflows.data.augmentation import AugmentedSource
from tfflows.data.pipelines import ArraySource
from tfflows.data.source import SPLITS, DataInfo, Examples
from tfflows.system import files
from tfflows.training.checkpoint_callback import restore_best
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.running import run_dir
from tfflows.zoo.running.per_label import nll_of
from tfflows.zoo.running.sources import load_source, resolve_shape
from tfflows.zoo.running.trainer import train

FOLDS = 5
_VALIDATED = 0.1
# Columns of an example that are written beside its density.
_MOST_COLUMNS = 1000


def write_outliers(
    model: keras.Model,
    config: ExperimentConfig,
    number: int,
    path: pathlib.Path,
    *,
    split: str | None = None,
    seen: bool,
) -> None:
    """Writes the rows of lowest density to a csv file, the lowest first.

    Its columns: "row", counted from 0 in the user's file (images: in the sorted order
    of their paths); "log_prob" in nats (of a VAE: the bound); "label" where there is
    one; the columns of a table.

    Args:
      model: The trained model.
      config: Its experiment, or one with other data.
      number: How many rows.
      path: The file.
      split: One split, or None for all rows.
      seen: Whether the model was trained on these data. Then `FOLDS` models of the same
        configuration are trained, each without one part of the rows, which it scores.

    Raises:
      ConfigError: The data are not the user's own.
    """
    source = load_source(config)
    config = resolve_shape(config, source)
    if source.row_numbers is None:
        raise ConfigError(
            "expected data of your own (csv:, parquet:, npz:, images:) for --outliers, "
            f"got {source.name}"
        )
    splits = SPLITS if split is None else (split,)
    rows = np.concatenate([source.row_numbers[each] for each in splits])
    if seen:
        scores = -_by_folds(config, source, splits)
    else:
        if not model.compiled:
            model.compile()
        scores = -nll_of(model, source, splits, config.trainer.batch_size)
    order = np.argsort(scores, kind="stable")[:number]
    with files.replacing(path) as temporary:
        frame = _frame(source, splits, order, rows, scores)
        frame.to_csv(temporary, index=False)


def _frame(
    source: DataSource,
    splits: Sequence[str],
    order: np.ndarray,
    rows: np.ndarray,
    scores: np.ndarray,
) -> pd.DataFrame:
    columns = [("row", rows[order]), ("log_prob", scores[order])]
    if source.label_names is not None:
        labels = np.concatenate([np.asarray(source.labels(each)) for each in splits])
        columns.append(("label", np.array(source.label_names)[labels[order]]))
    shape = source.event_shape
    if len(shape) == 1 and shape[0] <= _MOST_COLUMNS:
        x = np.concatenate([source.arrays(each) for each in splits])[order]
        names = source.columns or [f"x{k}" for k in range(shape[0])]
        columns += list(zip(names, x.T, strict=True))
    frame = pd.DataFrame(dict(enumerate(values for _, values in columns)))
    frame.columns = pd.Index([name for name, _ in columns])
    return frame


def _by_folds(
    config: ExperimentConfig, source: DataSource, splits: Sequence[str]
) -> np.ndarray:
    """Losses `[N]` of the rows of splits, each by a model that has not seen it."""
    x = np.concatenate([source.arrays(each) for each in SPLITS])
    labels = None
    if source.labels("train", limit=1) is not None:
        labels = np.concatenate([np.asarray(source.labels(each)) for each in SPLITS])
    rng = np.random.default_rng(config.trainer.seed)
    parts = np.array_split(rng.permutation(len(x)), min(FOLDS, len(x) // 2))
    nll = np.empty(len(x))
    begin = time.monotonic()
    print(
        f"trains {len(parts)} models as the run's, each for about as long as that took"
    )
    for number, part in enumerate(parts):
        others = np.concatenate([p for k, p in enumerate(parts) if k != number])
        count = max(1, round(_VALIDATED * len(others)))
        places = dict(zip(SPLITS, (others[count:], others[:count], part), strict=True))
        fold = _fold(source, x, labels, places, config)
        print(f"model {number + 1} of {len(parts)}, without the rows that it scores")
        nll[part] = _scored(config, fold)
        if not number:
            minutes = (time.monotonic() - begin) / 60.0 * (len(parts) - 1)
            print(f"the other {len(parts) - 1} take about {minutes:.1f} minutes")
        keras.backend.clear_session(free_memory=False)
    sizes = [source.num_examples[each] for each in SPLITS]
    starts = dict(zip(SPLITS, np.cumsum([0, *sizes[:-1]]), strict=True))
    wanted = [starts[s] + np.arange(source.num_examples[s]) for s in splits]
    return nll[np.concatenate(wanted)]


def _scored(config: ExperimentConfig, fold: DataSource) -> np.ndarray:
    """Losses of the fold's test rows by a model of its own."""
    with tempfile.TemporaryDirectory() as folder:
        model = train(config, folder, tf.distribute.get_strategy(), source=fold)
        restore_best(model, pathlib.Path(folder) / run_dir.CHECKPOINTS)
    return nll_of(model, fold, ("test",), config.trainer.batch_size)


def _fold(
    source: DataSource,
    x: np.ndarray,
    labels: np.ndarray | None,
    places: dict[str, np.ndarray],
    config: ExperimentConfig,
) -> DataSource:
    info = DataInfo(
        name=source.name,
        event_shape=source.event_shape,
        dtype=source.dtype,
        levels=source.levels,
        num_examples={split: len(rows) for split, rows in places.items()},
        num_classes=source.num_classes,
        observation_shape=source.observation_shape,
        columns=source.columns,
        label_names=source.label_names,
    )

    def read(split: str) -> Examples:
        rows = places[split]
        return Examples(x[rows], None if labels is None else labels[rows])

    fold = ArraySource(info, read, label_as_context=source.label_as_context)
    if config.data.augment is None:
        return fold
    return AugmentedSource(fold, config.data.augment, config.data.seed)
