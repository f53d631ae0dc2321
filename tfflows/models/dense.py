"""What the dense families share: their preprocessing and networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfflows.networks import MLP, ResNet
from tfflows.preprocessing import Dequantization, Logit, Rescale, Standardize


def preprocessing_for(
    levels: int | None,
    standardize: bool,
    logit_alpha: float | None,
    evaluation_draws: int,
    dtype: Any,
) -> list[Any]:
    """The preprocessing of integer or continuous data.

    Args:
      levels: Number of levels of integer data; None for continuous data.
      standardize: Whether a `Standardize` comes last.
      logit_alpha: Integer data: alpha of their logit, or None for [0, 1] itself.
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
      dtype: Keras dtype policy.

    Returns:
      A list for `Flow`, from data to latent.
    """
    parts: list[Any] = []
    if levels is not None:
        parts.append(
            Dequantization(levels, evaluation_draws=evaluation_draws, dtype=dtype)
        )
        if logit_alpha is None:
            parts.append(Rescale(0.0, levels, dtype=dtype))
        else:
            parts.append(Logit(logit_alpha, 0.0, levels, dtype=dtype))
    if standardize:
        parts.append(Standardize(dtype=dtype))
    return parts


def conditioner(
    network: str, hidden_units: Sequence[int], dtype: Any
) -> keras.layers.Layer:
    """A coupling's dense network.

    Args:
      network: "mlp", or "resnet" of width hidden_units[0] with a block per entry.
      hidden_units: Widths.
      dtype: Keras dtype policy.

    Raises:
      ValueError: For another network.
    """
    if network == "mlp":
        return MLP(hidden_units, dtype=dtype)
    if network == "resnet":
        return ResNet(hidden_units[0], num_blocks=len(hidden_units), dtype=dtype)
    raise ValueError(f"expected a network 'mlp' or 'resnet', got {network!r}")
