"""Writes samples to files: PNG pictures, NPZ arrays, CSV tables."""

from __future__ import annotations

import importlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from tfflows.grids import image_grid
from tfflows.system import files
from tfflows.system.csv_cells import warn_of_formulas
from tfflows.system.extras import needed


def write_samples(
    path: str | os.PathLike,
    x: np.ndarray,
    log_prob: np.ndarray | None,
    levels: int | None,
    columns: Sequence[str] | None = None,
    scale: int | None = None,
) -> None:
    """Writes samples; the ending of the path chooses the form.

    Args:
      path: `.npz` for the arrays x and log_prob, `.csv` for a table of vectors, `.png`
        for a grid of images or a scatter plot of 2-D points.
      x: Samples [N, *event_shape], in raw units.
      log_prob: Log-densities [N], in nats; None for a VAE, which has no density.
      levels: Number of levels of images; None for continuous data.
      columns: Names of a table's columns; None: x0, x1, ...
      scale: Scale of images, see `image_grid`.

    Raises:
      ValueError: If the ending is unknown or does not fit the shape.
    """
    check_output(path, x.shape[1:])
    suffix = pathlib.Path(path).suffix
    with files.replacing(path) as temporary:
        if suffix == ".npz":
            density: dict[str, Any] = {}
            if log_prob is not None:
                density["log_prob"] = log_prob
            np.savez(temporary, x=x, **density)
        elif suffix == ".csv":
            names = list(columns or (f"x{i}" for i in range(x.shape[1])))
            warn_of_formulas(os.fspath(path), names)
            pd.DataFrame(x, columns=names).to_csv(temporary, index=False)
        elif x.ndim == 4:
            grid = image_grid(x, levels, scale=scale)
            keras.utils.save_img(temporary, grid, scale=False)
        else:
            _scatter(x).savefig(temporary)


def write_images(
    path: str | os.PathLike,
    x: np.ndarray,
    levels: int | None,
    columns: int,
    scale: int | None = None,
) -> None:
    """Writes images as one grid.

    Args:
      path: A path that ends in `.png`.
      x: Images [N, H, W, C], in raw units.
      levels: Number of levels; None: values from 0 to 1.
      columns: Number of columns.
      scale: See `image_grid`.

    Raises:
      ImportError: If pillow is missing.
      ValueError: If the ending is another one.
    """
    if pathlib.Path(path).suffix != ".png":
        raise ValueError(f"expected an output that ends in .png, got {path}")
    _require_pictures()
    with files.replacing(path) as temporary:
        grid = image_grid(x, levels, columns, scale)
        keras.utils.save_img(temporary, grid, scale=False)


def check_output(path: str | os.PathLike, event_shape: tuple[int, ...]) -> None:
    """Checks the ending of an output path, before anything is computed.

    Args:
      path: The path.
      event_shape: Shape of one sample.

    Raises:
      ImportError: If what draws a picture is missing.
      ValueError: If the ending is unknown or does not fit the shape.
    """
    endings = [".npz"]
    if len(event_shape) == 1:
        endings.append(".csv")
    if is_image(event_shape) or event_shape == (2,):
        endings.append(".png")
    if pathlib.Path(path).suffix not in endings:
        raise ValueError(
            f"expected an output that ends in {' or '.join(endings)} for samples of "
            f"shape {event_shape}, got {path}"
        )
    if pathlib.Path(path).suffix == ".png":
        _require_pictures()


def _require_pictures() -> None:
    with needed("plots", "matplotlib and pillow for pictures"):
        importlib.import_module("matplotlib.figure")
        importlib.import_module("PIL.Image")


def is_image(event_shape: tuple[int, ...]) -> bool:
    """Returns whether one example is an image.

    Args:
      event_shape: Shape of one example.

    Returns:
      True for [H, W, 1] and [H, W, 3].
    """
    return len(event_shape) == 3 and event_shape[-1] in (1, 3)


def _scatter(x: np.ndarray) -> Any:
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(5, 5))
    axes = figure.add_subplot()
    axes.plot(x[:, 0], x[:, 1], ".", markersize=2)
    axes.set_aspect("equal")
    return figure
