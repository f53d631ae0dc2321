"""Images cut to a shape of their middle, and resized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfflows.system.extras import needed


def resized(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The middle of an image, of the wanted proportions, at the wanted size.

    Args:
        image: uint8 [H, W, C].
        size: height and width, or one number for both.

    Returns:
        uint8 [height, width, C]; the image itself if it has this size.

    Raises:
        ImportError: pillow, which resizes, is missing.
        ValueError: other than one or two numbers above 0.
    """
    sides = tuple(size) * 2 if len(size) == 1 else tuple(size)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(
            "expected image_size as height and width, or one number for both, got "
            f"{tuple(size)}"
        )
    height, width = sides
    if image.shape[:2] == (height, width):
        return image
    with needed("plots", "pillow to resize images"):
        import PIL.Image
        import PIL.ImageOps
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    # Means of pixels; to enlarge by them would make blocks.
    method = PIL.Image.Resampling.BOX if shrinks else PIL.Image.Resampling.BICUBIC
    channels = [
        PIL.ImageOps.fit(
            PIL.Image.fromarray(image[..., channel]),
            (width, height),
            method,
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)
