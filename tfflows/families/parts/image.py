"""Shapes, preprocessing and bases that the image families share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tfflows.backend.arguments import check_count, check_sizes, check_unused, check_word
from tfflows.distributions import StandardLogistic, StandardNormal
from tfflows.preprocessing import Dequantization, Logit, Rescale

# The default of models that use a logit.
LOGIT_ALPHA = 0.05
_BASES = {"normal": StandardNormal, "logistic": StandardLogistic}


def check_images(
    event_shape: Sequence[int], num_levels: int, squeeze_last: bool
) -> None:
    """Raises ValueError unless events are images whose sides the levels can halve.

    Args:
      event_shape: The requested shape.
      num_levels: Number of levels.
      squeeze_last: Whether the last level halves the sides, too. If not, it needs two
        pixels or more, because its couplings map one given the other.
    """
    height, width = _sides(event_shape)
    check_count("num_levels", num_levels)
    num_squeezes = num_levels if squeeze_last else num_levels - 1
    unit = 2**num_squeezes
    if height % unit or width % unit:
        common = math.gcd(height, width)
        halvings = (common & -common).bit_length() - 1  # how often 2 divides it
        most = halvings + num_levels - num_squeezes
        alternative = f"num_levels up to {most}, or " if most else ""
        raise ValueError(
            f"expected height and width divisible by {unit} for num_levels="
            f"{num_levels}, got {height} x {width}; what works: {alternative}images "
            f"padded or cut to {_nearest(height, unit)} x {_nearest(width, unit)}"
        )
    if not squeeze_last and height * width == unit**2:
        raise ValueError(
            f"expected more than one pixel in the last of num_levels={num_levels}, got "
            f"images of {height} x {width}; what works: fewer levels, or images padded "
            f"to {height} x {2 * width}"
        )


def _sides(event_shape: Any) -> tuple[int, int]:
    try:
        height, width, channels = event_shape
        check_sizes("event_shape", (height, width, channels))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected images of shape (height, width, channels), got {event_shape}"
        ) from error
    return height, width


def _nearest(size: int, unit: int) -> int:
    return max(round(size / unit), 1) * unit


def image_preprocessing(
    levels: int | None,
    n_bits: int | None,
    logit_alpha: float | None,
    evaluation_draws: int,
) -> list[Any]:
    """Returns the preprocessing of integer or continuous images, for `Flow`.

    Args:
      levels: Number of levels of integer data; None for continuous data.
      n_bits: Bits to keep of integer data; None: all.
      logit_alpha: Alpha of the logit of integer data; None: scale them to [0, 1].
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
    """
    if levels is None:
        check_unused("n_bits", n_bits, [None], "levels")
        check_unused("logit_alpha", logit_alpha, [None, LOGIT_ALPHA], "levels")
        check_unused("evaluation_draws", evaluation_draws, [1], "levels")
        return []
    dequantization = Dequantization(levels, n_bits, evaluation_draws=evaluation_draws)
    high = dequantization.num_levels
    if logit_alpha is None:
        return [dequantization, Rescale(0.0, high)]
    return [dequantization, Logit(logit_alpha, 0.0, high)]


def image_base(base: str, event_shape: Sequence[int], dtype: Any) -> Any:
    """Returns the base over flat latents of images.

    Raises:
      ValueError: If the name is neither "normal" nor "logistic".
    """
    return _BASES[check_word("base", base, _BASES)](math.prod(event_shape), dtype=dtype)
