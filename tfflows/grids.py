"""Many images in one."""

from __future__ import annotations

import math

import numpy as np

from tfflows.backend.arguments import check_count

_SHORTEST_SIDE = 96  # pixels; smaller images are enlarged, to be seen
_LINE_BRIGHTNESS = 64


def image_grid(
    images: np.ndarray, levels: int | None, columns: int = 0, scale: int | None = None
) -> np.ndarray:
    """Lays images out row by row, with a grey line between them.

    Args:
      images: `[N, H, W, C]` with values from 0 to `levels`; others are clipped.
      levels: Number of levels; None: values from 0 to 1.
      columns: Images in a row; 0: about as many as rows.
      scale: Side of the square that a pixel becomes; None: an image becomes 96 pixels
        high, or somewhat more.

    Returns:
      One uint8 image `[scale * rows * (H + 1), scale * columns * (W + 1), C]`.

    Raises:
      ValueError: For an array that holds no images, or a number out of range.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(f"expected images [N, H, W, 1 or 3], got shape {images.shape}")
    check_count("columns", columns, least=0)
    count, height, width, channels = images.shape
    scale = check_count("scale", scale or math.ceil(_SHORTEST_SIDE / height))
    pixels = np.pad(
        _brightness(images, levels),
        [(0, 0), (0, 1), (0, 1), (0, 0)],
        constant_values=_LINE_BRIGHTNESS,
    )
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    pixels = np.pad(pixels, [(0, rows * columns - count), (0, 0), (0, 0), (0, 0)])
    whole = pixels.reshape(rows, columns, height + 1, width + 1, channels)
    whole = whole.swapaxes(1, 2).reshape(rows * (height + 1), -1, channels)
    return whole.repeat(scale, axis=0).repeat(scale, axis=1)


def _brightness(images: np.ndarray, levels: int | None) -> np.ndarray:
    if levels is None:
        values = np.clip(images, 0, 1)
    else:  # the sample of a pixel with value v lies in [v, v + 1)
        check_count("levels", levels, least=2)
        values = np.clip(np.floor(images), 0, levels - 1) / (levels - 1)
    return np.round(255 * values).astype(np.uint8)
