"""NICE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tfflows.backend.arguments import check_count, check_sizes
from tfflows.bijectors import AdditiveCoupling, FlowStep, Scale
from tfflows.distributions import StandardLogistic
from tfflows.families.context import builder_context
from tfflows.families.dense import dense_flow, preprocessing_for
from tfflows.models.flow import Flow
from tfflows.networks import MLP


def nice(
    event_shape: Sequence[int],
    *,
    num_couplings: int = 4,
    hidden_units: Sequence[int] = (1000,) * 5,
    levels: int | None = None,
    standardize: bool = False,
    evaluation_draws: int = 1,
    context_dim: int | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    dtype: Any = None,
    name: str = "nice",
) -> Flow:
    """NICE: additive couplings, a final diagonal scale, a logistic base.

    Couplings exchange the parts of alternating elements, as the paper's do. Integer
    data are dequantized and scaled to [0, 1].

    Source: Dinh, Krueger and Bengio, "NICE: Non-linear Independent Components
    Estimation", 2014, arXiv 1410.8516; section 5.1 for the defaults.

    Args:
      event_shape: Shape of one event; it is flattened.
      num_couplings: Number of couplings.
      hidden_units: Widths of each coupling's rectified MLP.
      levels: Number of levels of integer data; None for continuous data.
      standardize: Whether to standardise the data, from `initialize`'s batch.
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
      context_dim: Size of the vectors that are a conditional model's context, or None.
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
    check_count("num_couplings", num_couplings)
    event_shape = check_sizes("event_shape", event_shape)
    context = builder_context(
        context_shape, context_dtype, context_network, dtype, context_dim=context_dim
    )
    steps: list[FlowStep] = [
        AdditiveCoupling(
            MLP(hidden_units, context_dim=context.dim, dtype=dtype),
            mask="alternating",
            reverse=bool(k % 2),
            dtype=dtype,
        )
        for k in range(num_couplings)
    ]
    steps.append(Scale(dtype=dtype))
    flow_dtype = steps[-1].flow_dtype
    return dense_flow(
        steps,
        event_shape,
        preprocessing_for(levels, standardize, None, evaluation_draws, dtype),
        context=context,
        base=StandardLogistic(math.prod(event_shape), dtype=flow_dtype),
        dtype=dtype,
        name=name,
    )
