"""Draws a model beside its data, for `tfflows-evaluate --plot`."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import keras
import numpy as np

from tfflows import plots
from tfflows.data import DataSource
from tfflows.data.source import SPLITS
from tfflows.plots import Figure
from tfflows.system import files
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.running import run_dir
from tfflows.zoo.running.pictures import is_image
from tfflows.zoo.running.sources import load_source, resolve_shape

_ROWS, _IMAGES = 2000, 36


def write_plots(
    model: keras.Model,
    config: ExperimentConfig,
    split: str,
    folder: str | os.PathLike,
    model_dir: str | os.PathLike | None = None,
) -> list[pathlib.Path]:
    """Draws data of a split beside samples, in the plots that fit the events.

    Args:
      model: The model.
      config: Its experiment.
      split: Split of its data; "all": the test split.
      folder: Folder for the pictures, which is created if missing.
      model_dir: Folder of the run whose history to draw; None: no history.

    Returns:
      The files.

    Raises:
      ConfigError: If the data have another shape.
      ValueError, OSError: If the data cannot be read.
    """
    source = load_source(config)
    config = resolve_shape(config, source)
    split = split if split in SPLITS else "test"
    written = []
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in _figures(model, config, source, split, model_dir):
        with files.replacing(folder / f"{name}.png") as temporary:
            figure.savefig(temporary)
        written.append(folder / f"{name}.png")
    return written


def picture(model: keras.Model, config: ExperimentConfig) -> Figure:
    """Draws a model: images as a grid of samples, points as a density or beside data.

    Args:
      model: The model.
      config: Its experiment.
    """
    drawn = dict(_figures(model, config, load_source(config), "test", None))
    return next(
        drawn[name] for name in ("samples", "density", "pairs") if name in drawn
    )


def _figures(
    model: keras.Model,
    config: ExperimentConfig,
    source: DataSource,
    split: str,
    model_dir: str | os.PathLike | None,
) -> Iterator[tuple[str, Figure]]:
    image = is_image(source.event_shape)
    x, samples = _data_and_samples(model, source, split, _IMAGES if image else _ROWS)
    if image:
        yield "data", plots.grid(x, levels=source.levels)
        yield "samples", plots.grid(samples, levels=source.levels)
    else:
        x, samples = x.reshape(len(x), -1), samples.reshape(len(samples), -1)
        columns = config.data.columns
        yield "marginals", plots.marginals(x, samples, columns=columns)
        yield "pairs", plots.pairs(x, samples, columns=columns)
        plain = source.levels is None and getattr(model, "context_shape", None) is None
        if source.event_shape == (2,) and hasattr(model, "log_prob") and plain:
            yield "density", plots.density(model, x=x)
    if model_dir is not None and os.path.exists(
        os.path.join(model_dir, run_dir.HISTORY)
    ):
        yield "history", plots.history(os.path.join(model_dir, run_dir.HISTORY))


def _data_and_samples(
    model: keras.Model, source: DataSource, split: str, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns equally many of both; samples have the data's contexts."""
    x = np.asarray(source.arrays(split, limit=number))
    if getattr(model, "context_shape", None) is None:
        return x, model.sample(len(x), seed=0).numpy()
    context = np.asarray(source.labels(split, limit=number))
    return x, model.sample(len(x), seed=0, context=context).numpy()
