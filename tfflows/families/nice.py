"""NICE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tfflows.backend.arguments import check_count, check_sizes
from tfflows.backend.policy import DType
from tfflows.bijectors import AdditiveCoupling, FlowStep, Scale
from tfflows.distributions import StandardLogistic
from tfflows.families.declare import family
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.dense import dense_flow, preprocessing_for
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow
from tfflows.networks import MLP


@family
def nice(
    event_shape: Sequence[int],
    *,
    num_couplings: int = 4,
    hidden_units: Sequence[int] = (1000,) * 5,
    levels: int | None = None,
    standardize: bool = False,
    evaluation_draws: int = 1,
    stacked: bool = True,
    context_dim: int | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    support: Any = None,
    dtype: DType = None,
    name: str = "nice",
) -> Flow:
    """Builds NICE: additive couplings, a final diagonal scale and a logistic base.

    Couplings change odd and even elements in turn, as in the paper. Integer data are
    dequantized and scaled to [0, 1].

    Source: Dinh, Krueger and Bengio, "NICE: Non-linear Independent Components
    Estimation", 2014, arXiv 1410.8516; section 5.1 for the defaults.

    Args:
      num_couplings: Number of couplings.
      hidden_units: Widths of each coupling's MLP with rectifiers.

    Returns:
      The model.

    Raises:
      ValueError: If events have fewer than 2 elements, or an argument is out of range.
    """
    check_count("num_couplings", num_couplings)
    event_shape = check_sizes("event_shape", event_shape)
    context = builder_context(
        context_shape, context_dtype, context_network, context_dim=context_dim
    )

    def coupling(k: int) -> list[FlowStep]:
        network = MLP(hidden_units, context_dim=context.dim)
        return [
            AdditiveCoupling(network, mask="alternating", reverse=bool(k % 2)),
        ]

    steps = repeated(coupling, num_couplings, period=2, stacked=stacked)
    steps.append(Scale())
    flow_dtype = steps[-1].flow_dtype
    return dense_flow(
        steps,
        event_shape,
        preprocessing_for(levels, standardize, None, evaluation_draws),
        context=context,
        support=support,
        base=StandardLogistic(math.prod(event_shape), dtype=flow_dtype),
        name=name,
    )
