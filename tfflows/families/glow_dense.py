"""Glow's step on vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfflows.backend.arguments import check_count
from tfflows.bijectors import ActNorm, AffineCoupling, FlowStep, Invertible1x1Conv
from tfflows.families.context import builder_context
from tfflows.families.dense import conditioner, dense_flow, preprocessing_for
from tfflows.families.image import LOGIT_ALPHA
from tfflows.models.flow import Flow


def glow_dense(
    event_shape: Sequence[int],
    *,
    num_steps: int = 10,
    hidden_units: Sequence[int] = (128, 128),
    network: str = "mlp",
    log_scale: str = "tanh",
    levels: int | None = None,
    standardize: bool = False,
    logit_alpha: float = LOGIT_ALPHA,
    evaluation_draws: int = 1,
    context_dim: int | None = None,
    context: Mapping[str, Any] | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    dtype: Any = None,
    name: str = "glow_dense",
) -> Flow:
    """Glow without images: actnorm, an invertible matrix, an affine coupling per step.

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, for the step; used on
    tables in Grathwohl et al., "FFJORD", 2018, arXiv 1810.01367, table 2.

    Args:
      event_shape: Shape of one event; it is flattened.
      num_steps: Number of steps.
      hidden_units: Widths of each coupling's network.
      network: "mlp", or "resnet" of width hidden_units[0] with one block per entry.
      log_scale: "tanh", "sigmoid" or "exp", see `AffineLaw`.
      levels: Number of levels of integer data; None for continuous data.
      standardize: Whether to standardise the data, from `initialize`'s batch.
      logit_alpha: Alpha of the logit of integer data.
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
      context_dim: Size of the vectors that are a conditional model's context, or None.
      context: The next three as a dict, as before version 0.2.
      context_shape: Shape of another context, as in `Flow`: labels (), images, sets.
      context_dtype: As in `Flow`.
      context_network: As in `Flow`: embeds such a context as a vector.
      dtype: Keras dtype policy.
      name: Name of the model.

    Returns:
      The model.

    Raises:
      ValueError: For an event of fewer than 2 elements, or parts out of range.
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        dtype,
        context_dim=context_dim,
        context=context,
    )
    check_count("num_steps", num_steps)
    steps: list[FlowStep] = []
    for _ in range(num_steps):
        steps += [
            ActNorm(dtype=dtype),
            Invertible1x1Conv(event_ndims=1, dtype=dtype),
            AffineCoupling(
                conditioner(network, hidden_units, told.dim, dtype),
                log_scale=log_scale,
                dtype=dtype,
            ),
        ]
    return dense_flow(
        steps,
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws, dtype),
        context=told,
        dtype=dtype,
        name=name,
    )
