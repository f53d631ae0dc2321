"""Preprocessing, networks and flows that the dense families share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfflows.backend.arguments import (
    check_counts,
    check_flag,
    check_sizes,
    check_unused,
    check_word,
)
from tfflows.bijectors import Chain, Flatten
from tfflows.families.declare import Network
from tfflows.families.parts.context import BuilderContext
from tfflows.families.parts.image import LOGIT_ALPHA
from tfflows.models.flow import Flow
from tfflows.networks import MLP, ResNet
from tfflows.preprocessing import Dequantization, Logit, Rescale, Standardize


def preprocessing_for(
    levels: int | None,
    standardize: bool,
    logit_alpha: float | None,
    evaluation_draws: int,
) -> list[Any]:
    """Returns the preprocessing of integer or continuous data.

    Args:
      levels: Number of levels of integer data; None for continuous data.
      standardize: Whether to end with a `Standardize`.
      logit_alpha: Alpha of the logit of integer data; None: scale them to [0, 1].
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.

    Returns:
      A list for `Flow`, from data to latent.
    """
    parts: list[Any] = []
    if levels is None:
        check_unused("logit_alpha", logit_alpha, [None, LOGIT_ALPHA], "levels")
        check_unused("evaluation_draws", evaluation_draws, [1], "levels")
    else:
        parts.append(Dequantization(levels, evaluation_draws=evaluation_draws))
        if logit_alpha is None:
            parts.append(Rescale(0.0, levels))
        else:
            parts.append(Logit(logit_alpha, 0.0, levels))
    if check_flag("standardize", standardize):
        parts.append(Standardize())
    return parts


def conditioner(
    network: Network, hidden_units: Sequence[int], context_dim: int | None
) -> keras.layers.Layer:
    """Returns a coupling's dense network.

    Args:
      network: "mlp", or "resnet" of width hidden_units[0] with a block per entry.
      hidden_units: Widths.
      context_dim: Size of the context that it also takes, or None.

    Raises:
      ValueError: If the network is unknown.
    """
    hidden_units = check_counts("hidden_units", hidden_units)
    if check_word("network", network, Network) == "mlp":
        return MLP(hidden_units, context_dim=context_dim)
    if len(set(hidden_units)) > 1:
        raise ValueError(
            f"expected equal hidden_units with network='resnet', got {hidden_units}"
        )
    return ResNet(
        hidden_units[0],
        num_blocks=len(hidden_units),
        context_dim=context_dim,
    )


def dense_flow(
    steps: Sequence[Any],
    event_shape: Sequence[int],
    preprocessing: Sequence[Any],
    *,
    context: BuilderContext,
    support: Any = None,
    base: Any = None,
    name: str,
) -> Flow:
    """Returns a flow of steps on vectors; it first flattens events of more axes.

    Args:
      steps: From data to latent.
      event_shape: Shape of one event.
      preprocessing: See `Flow`.
      context: The context that the steps take.
      support: See `Flow`.
      base: See `Flow`.
      name: Name of the model.

    Raises:
      ValueError: If the parts do not fit each other.
    """
    event_shape = check_sizes("event_shape", event_shape)
    if len(event_shape) > 1:
        steps = [Flatten(), *steps]
    flow = Chain(steps, event_ndims=len(event_shape))
    return Flow(
        flow,
        event_shape,
        base,
        preprocessing,
        support=support,
        name=name,
        **context.arguments,
    )
