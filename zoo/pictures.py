"""Samples as files: PNG pictures, NPZ arrays, CSV tables."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import matplotlib.figure
import numpy as np
import pandas as pd

from tfflows.system import files
from tfflows.system.csv_cells import warn_of_formulas

_SHORTEST_SIDE = 32  # pixels; smaller images are enlarged, to be seen at all
_LINE_BRIGHTNESS = 64


def write_samples(
    path: str | os.PathLike,
    x: np.ndarray,
    log_prob: np.ndarray | None,
    levels: int | None,
    columns: Sequence[str] | None = None,
) -> None:
    """Writes samples in the form that the ending of the path tells.

    Args:
      path: `.npz` for the arrays x and log_prob, `.csv` for a table of vectors, `.png`
        for a grid of images or a scatter plot of 2-D points.
      x: Samples [N, *event_shape], in raw units.
      log_prob: Log-densities [N], in nats; None where the model has none, a VAE.
      levels: Number of levels of images; None for continuous data.
      columns: Names of a table's columns; None: x0, x1, ...

    Raises:
      ValueError: The ending is unknown, or does not go with the shape.
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
            keras.utils.save_img(temporary, image_grid(x, levels), scale=False)
        else:
            _scatter(x).savefig(temporary)


def write_images(
    path: str | os.PathLike, x: np.ndarray, levels: int | None, columns: int
) -> None:
    """Writes images as one grid.

    Args:
      path: Of ending `.png`.
      x: Images [N, H, W, C], in raw units.
      levels: Number of levels; None: values from 0 to 1.
      columns: Number of columns.

    Raises:
      ValueError: The ending is another.
    """
    if pathlib.Path(path).suffix != ".png":
        raise ValueError(f"expected an output that ends in .png, got {path}")
    with files.replacing(path) as temporary:
        grid = image_grid(x, levels, columns)
        keras.utils.save_img(temporary, grid, scale=False)


def check_output(path: str | os.PathLike, event_shape: tuple[int, ...]) -> None:
    """Checks the ending of an output path before anything is computed for it.

    Args:
      path: The path.
      event_shape: Shape of one sample.

    Raises:
      ValueError: The ending is unknown, or does not go with the shape.
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


def is_image(event_shape: tuple[int, ...]) -> bool:
    """Says whether one example is an image.

    Args:
      event_shape: Shape of one example.

    Returns:
      True for [H, W, 1] and [H, W, 3].
    """
    return len(event_shape) == 3 and event_shape[-1] in (1, 3)


def image_grid(x: np.ndarray, levels: int | None, columns: int = 0) -> np.ndarray:
    """Lays images out in a grid, row by row.

    Args:
      x: Images [N, H, W, C] with values from 0 to `levels`; others are clipped.
      levels: Number of levels; None: values from 0 to 1.
      columns: Number of columns; 0: about as many as rows.

    Returns:
      One uint8 image [rows * (H + 1), columns * (W + 1), C] with a grey line between
      images, enlarged where H is small.
    """
    if levels is None:
        brightness = np.clip(x, 0, 1)
    else:  # the sample of a pixel with value v lies in [v, v + 1)
        brightness = np.clip(np.floor(x), 0, levels - 1) / (levels - 1)
    pixels = np.round(255 * brightness).astype(np.uint8)
    count, height, width, channels = x.shape
    pixels = np.pad(
        pixels, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=_LINE_BRIGHTNESS
    )
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    pixels = np.pad(pixels, [(0, rows * columns - count), (0, 0), (0, 0), (0, 0)])
    grid = pixels.reshape(rows, columns, height + 1, width + 1, channels)
    grid = grid.swapaxes(1, 2).reshape(rows * (height + 1), -1, channels)
    factor = math.ceil(_SHORTEST_SIDE / height)
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)


def _scatter(x: np.ndarray) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure(figsize=(5, 5))
    axes = figure.add_subplot()
    axes.plot(x[:, 0], x[:, 1], ".", markersize=2)
    axes.set_aspect("equal")
    return figure
