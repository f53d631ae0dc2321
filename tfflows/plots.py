"""Pictures of data, samples and densities, as matplotlib figures.

Nothing is shown or written: `figure.savefig("name.png")` does it, and a notebook shows
what a cell returns.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.figures import Shown, tables
from tfflows.grids import image_grid
from tfflows.posterior_plots import calibration, coverage, recovery
from tfflows.system.extras import needed

with needed("plots", "matplotlib for pictures"):
    from matplotlib.figure import Figure

__all__ = [
    "calibration",
    "coverage",
    "density",
    "grid",
    "history",
    "marginals",
    "pairs",
    "recovery",
]

_DATA, _SAMPLES = "#4477aa", "#ee6677"


def marginals(
    x: Any,
    samples: Any = None,
    *,
    columns: Sequence[str] | None = None,
    bins: int = 50,
    max_columns: int = 24,
) -> Figure:
    """A histogram of each column: data, and samples over them.

    Args:
      x: Data `[N, D]`; a DataFrame brings its columns' names.
      samples: Samples `[M, D]`, or None.
      columns: The names; None: those of x, or x0, x1, ...
      bins: Number of bins, the same for both.
      max_columns: The first so many columns are drawn.

    Raises:
      ValueError: For arrays that are no such rows, or names of another number.
    """
    x, samples, names = tables(x, samples, columns)
    check_count("bins", bins)
    names = names[: check_count("max_columns", max_columns)]
    across = min(4, len(names))
    down = math.ceil(len(names) / across)
    figure = Shown(figsize=(3 * across, 2.4 * down), layout="constrained")
    for k, name in enumerate(names):
        axes = figure.add_subplot(down, across, k + 1)
        both = x[:, k] if samples is None else np.concatenate([x[:, k], samples[:, k]])
        edges = np.histogram_bin_edges(both, bins).tolist()
        axes.hist(x[:, k], edges, density=True, color=_DATA, alpha=0.6, label="data")
        if samples is not None:
            axes.hist(
                samples[:, k],
                edges,
                density=True,
                histtype="step",
                color=_SAMPLES,
                label="samples",
            )
        axes.set(title=name, yticks=[])
    figure.axes[0].legend()
    return figure


def pairs(
    x: Any,
    samples: Any = None,
    *,
    columns: Sequence[str] | None = None,
    max_columns: int = 6,
    max_points: int = 2000,
) -> Figure:
    """Scatter plots of all pairs of columns: data below, samples above the diagonal.

    Args:
      x: Data `[N, D]`; a DataFrame brings its columns' names.
      samples: Samples `[M, D]`, or None: data on both sides.
      columns: The names; None: those of x, or x0, x1, ...
      max_columns: The first so many columns are drawn.
      max_points: The first so many rows of each are drawn.

    Raises:
      ValueError: For arrays that are no such rows, or names of another number.
    """
    x, samples, names = tables(x, samples, columns)
    size = min(check_count("max_columns", max_columns), len(names))
    check_count("max_points", max_points)
    above = x if samples is None else samples
    figure = Shown(figsize=(2 * size, 2 * size), layout="constrained")
    grid: Any = figure.subplots(size, size, squeeze=False)
    for row, column in np.ndindex(size, size):
        axes = grid[row, column]
        if row == column:
            axes.hist(x[:, row], 40, color=_DATA, alpha=0.6)
            if samples is not None:
                axes.hist(
                    samples[:, row],
                    40,
                    histtype="step",
                    color=_SAMPLES,
                    weights=np.full(len(samples), len(x) / len(samples)),
                )
        else:
            points = (x if row > column else above)[:max_points]
            color = _SAMPLES if row < column and samples is not None else _DATA
            axes.scatter(
                points[:, column], points[:, row], s=3, linewidths=0, color=color
            )
        axes.set(xticks=[], yticks=[])
        if row == size - 1:
            axes.set_xlabel(names[column])
        if column == 0:
            axes.set_ylabel(names[row])
    return figure


def density(
    flow: Any,
    *,
    extent: Sequence[float] | None = None,
    x: Any = None,
    context: Any = None,
    resolution: int = 200,
) -> Figure:
    """The density of a flow of two columns, as brightness.

    Args:
      flow: A model with `event_shape` (2,), `log_prob` and `sample`.
      extent: Left, right, bottom and top; None: of x, or of a thousand samples.
      x: Data `[N, 2]`, drawn as points over it; or None.
      context: Of a conditional flow, one context.
      resolution: Points along each axis.

    Raises:
      ValueError: For a flow of other events or of integers, or an extent that is none.
    """
    if tuple(getattr(flow, "event_shape", ())) != (2,):
        raise ValueError(
            "expected a flow of events of shape (2,), got one of "
            f"{getattr(flow, 'event_shape', type(flow).__name__)}"
        )
    check_count("resolution", resolution, least=2)
    given = {} if context is None else {"context": context}
    points = None if x is None else tables(x, None, None)[0]
    if extent is None:
        seen = flow.sample(1000, seed=0, **given).numpy() if x is None else points
        extent = _extent_of(np.asarray(seen))
    left, right, bottom, top = _checked_extent(extent)
    across = np.linspace(left, right, resolution)
    plane = np.meshgrid(across, np.linspace(bottom, top, resolution))
    dtype = getattr(flow, "flow_dtype", tf.float32).as_numpy_dtype
    points_of_plane = np.stack(plane, axis=-1).reshape(-1, 2).astype(dtype)
    log_prob = flow.log_prob(points_of_plane, **given).numpy()
    highest = np.max(log_prob, initial=-np.inf, where=np.isfinite(log_prob))
    figure = Shown(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(
        # Black where the density is 0 everywhere.
        np.exp(log_prob - max(highest, -1e30)).reshape(resolution, resolution),
        origin="lower",
        extent=(left, right, bottom, top),
        aspect="auto",
        cmap="magma",
    )
    if points is not None:
        axes.scatter(points[:, 0], points[:, 1], s=2, linewidths=0, color="white")
        axes.set(xlim=(left, right), ylim=(bottom, top))
    return figure


def grid(
    images: Any,
    *,
    levels: int | None = None,
    columns: int = 0,
    scale: int | None = None,
) -> Figure:
    """Images in rows, one picture.

    Args:
      images: `[N, H, W]` or `[N, H, W, C]`, C 1 or 3.
      levels: Number of levels of integer images; None: values from 0 to 1.
      columns: Images in a row; 0: about as many as rows.
      scale: Side of the square that a pixel becomes; None: 96 pixels or more an image.

    Raises:
      ValueError: For arrays that are no images.
    """
    images = np.asarray(images)
    images = images[..., None] if images.ndim == 3 else images
    whole = image_grid(images, levels, columns, scale)
    figure = Shown(figsize=(whole.shape[1] / 100, whole.shape[0] / 100), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(whole.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    return figure


def history(history: Any) -> Figure:
    """Curves of a training, one picture for a metric and its validation.

    Args:
      history: What `fit` returns, its dict of lists, or the path of a history.csv.

    Raises:
      ValueError: If it has no figures.
    """
    if isinstance(history, str | os.PathLike):
        history = pd.read_csv(history).drop(columns="epoch", errors="ignore")
    values = getattr(history, "history", history)
    curves = {name: np.asarray(values[name], float) for name in values}
    metrics = [name for name in curves if not name.startswith("val_")]
    if not metrics:
        raise ValueError("expected the history of a training, got no figures")
    figure = Shown(figsize=(4 * len(metrics), 3), layout="constrained")
    for k, name in enumerate(metrics):
        axes = figure.add_subplot(1, len(metrics), k + 1)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in curves:
                axes.plot(np.arange(1, len(curves[key]) + 1), curves[key], label=label)
        axes.set(title=name, xlabel="epoch")
        axes.legend()
    return figure


def _extent_of(points: np.ndarray) -> list[float]:
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.1 * (high - low)
    (left, bottom), (right, top) = low - margin, high + margin
    return [left, right, bottom, top]


def _checked_extent(extent: Sequence[float]) -> tuple[float, float, float, float]:
    values = np.asarray(extent, float)
    if values.shape != (4,) or not (values[0] < values[1] and values[2] < values[3]):
        raise ValueError(
            f"expected extent as left < right, bottom < top, got {extent!r}"
        )
    left, right, bottom, top = values.tolist()
    return left, right, bottom, top
