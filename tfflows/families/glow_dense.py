"""Glow's step on vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfflows.backend.arguments import check_count
from tfflows.backend.policy import DType
from tfflows.bijectors import ActNorm, AffineCoupling, FlowStep, Invertible1x1Conv
from tfflows.families.declare import LogScale, Network, family
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.dense import conditioner, dense_flow, preprocessing_for
from tfflows.families.parts.image import LOGIT_ALPHA
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow


@family
def glow_dense(
    event_shape: Sequence[int],
    *,
    num_steps: int = 10,
    hidden_units: Sequence[int] = (128, 128),
    network: Network = "mlp",
    log_scale: LogScale = "tanh",
    levels: int | None = None,
    standardize: bool = False,
    logit_alpha: float = LOGIT_ALPHA,
    evaluation_draws: int = 1,
    stacked: bool = True,
    context_dim: int | None = None,
    context: Mapping[str, Any] | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    support: Any = None,
    dtype: DType = None,
    name: str = "glow_dense",
) -> Flow:
    """Builds Glow on vectors: actnorm, invertible matrix, affine coupling per step.

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, for the step.
    Grathwohl et al., "FFJORD", 2018, arXiv 1810.01367, use it on tables (table 2).

    Args:
      num_steps: Number of steps.
      hidden_units: Widths of each coupling's network.
      network: "mlp", or "resnet" of width hidden_units[0] with one block per entry.

    Returns:
      The model.

    Raises:
      ValueError: If events have fewer than 2 elements, or an argument is out of range.
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        context_dim=context_dim,
        context=context,
    )
    check_count("num_steps", num_steps)

    def step(_: int) -> list[FlowStep]:
        return [
            ActNorm(),
            Invertible1x1Conv(event_ndims=1),
            AffineCoupling(
                conditioner(network, hidden_units, told.dim),
                log_scale=log_scale,
            ),
        ]

    return dense_flow(
        repeated(step, num_steps, stacked=stacked),
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws),
        context=told,
        support=support,
        name=name,
    )
