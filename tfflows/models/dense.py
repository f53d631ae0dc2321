"""What the dense families share: their preprocessing, networks and contexts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfflows.bijectors import Chain, Flatten
from tfflows.models.flow import Flow
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
    network: str, hidden_units: Sequence[int], context_dim: int | None, dtype: Any
) -> keras.layers.Layer:
    """A coupling's dense network.

    Args:
      network: "mlp", or "resnet" of width hidden_units[0] with a block per entry.
      hidden_units: Widths.
      context_dim: Size of the context that it also sees, or None.
      dtype: Keras dtype policy.

    Raises:
      ValueError: For another network.
    """
    if network == "mlp":
        return MLP(hidden_units, context_dim=context_dim, dtype=dtype)
    if network == "resnet":
        return ResNet(
            hidden_units[0],
            num_blocks=len(hidden_units),
            context_dim=context_dim,
            dtype=dtype,
        )
    raise ValueError(f"expected a network 'mlp' or 'resnet', got {network!r}")


def dense_flow(
    steps: Sequence[Any],
    event_shape: Sequence[int],
    preprocessing: Sequence[Any],
    *,
    context_dim: int | None,
    context: Mapping[str, Any] | None,
    base: Any = None,
    dtype: Any,
    name: str,
) -> Flow:
    """A flow of steps on vectors; events of more axes are flattened first.

    Args:
      steps: From data to latent.
      event_shape: Shape of one event.
      preprocessing: That of `Flow`.
      context_dim: Size of the context that the steps take, or None.
      context: `Flow`'s arguments `context_shape`, `context_dtype`, `context_network`;
        None: vectors of size context_dim.
      base: That of `Flow`.
      dtype: Keras dtype policy.
      name: Name of the model.

    Raises:
      ValueError: For parts that do not fit each other.
    """
    if len(event_shape) > 1:
        steps = [Flatten(dtype=dtype), *steps]
    flow = Chain(steps, event_ndims=len(event_shape), dtype=dtype)
    if context is None:
        context = {} if context_dim is None else {"context_shape": context_dim}
    return Flow(
        flow, event_shape, base, preprocessing, name=name, dtype=dtype, **context
    )
