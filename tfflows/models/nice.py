"""NICE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tfflows.bijectors import AdditiveCoupling, Chain, Flatten, Scale
from tfflows.checks import check_count
from tfflows.distributions import StandardLogistic
from tfflows.models.dense import preprocessing_for
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
      dtype: Keras dtype policy.
      name: Name of the model.

    Returns:
      The model.

    Raises:
      ValueError: For an event of fewer than 2 elements, or parts out of range.
    """
    check_count("num_couplings", num_couplings)
    couplings = [
        AdditiveCoupling(
            MLP(hidden_units, dtype=dtype),
            mask="alternating",
            reverse=bool(k % 2),
            dtype=dtype,
        )
        for k in range(num_couplings)
    ]
    steps = [*couplings, Scale(dtype=dtype)]
    if len(event_shape) > 1:
        steps = [Flatten(dtype=dtype), *steps]
    flow = Chain(steps, event_ndims=len(event_shape), dtype=dtype)
    parts = preprocessing_for(levels, standardize, None, evaluation_draws, dtype)
    base = StandardLogistic(math.prod(event_shape), dtype=flow.flow_dtype)
    return Flow(flow, event_shape, base, parts, name=name, dtype=dtype)
