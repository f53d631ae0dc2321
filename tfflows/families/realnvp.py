"""RealNVP on vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfflows.backend.arguments import check_count, check_flag
from tfflows.backend.policy import DType
from tfflows.bijectors import ActNorm, AffineCoupling, FlowStep, Permute
from tfflows.families.declare import LogScale, Network, family
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.dense import conditioner, dense_flow, preprocessing_for
from tfflows.families.parts.image import LOGIT_ALPHA
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow


@family
def realnvp(
    event_shape: Sequence[int],
    *,
    num_couplings: int = 8,
    hidden_units: Sequence[int] = (128, 128),
    network: Network = "mlp",
    log_scale: LogScale = "tanh",
    actnorm: bool | None = None,
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
    name: str = "realnvp",
) -> Flow:
    """Builds RealNVP with dense networks: affine couplings with actnorms.

    Couplings change the two halves of an event in turn. Integer data are dequantized
    and mapped to the line by a logit. ActNorm replaces the paper's batch normalization,
    so training, evaluation and export compute the same map.

    Source: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2016,
    arXiv 1605.08803; actnorm: arXiv 1807.03039.

    Args:
      num_couplings: Number of couplings.
      hidden_units: Widths of each coupling's network.
      network: "mlp", or "resnet" of width hidden_units[0] with one block per entry.
      actnorm: Whether an ActNorm precedes each coupling; None: only for continuous
        data, because a pixel may be constant.

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
    check_count("num_couplings", num_couplings)
    if actnorm is None:
        actnorm = levels is None

    def coupling(k: int) -> list[FlowStep]:
        norms = [ActNorm()] if check_flag("actnorm", actnorm) else []
        network_k = conditioner(network, hidden_units, told.dim)
        return [
            *norms,
            AffineCoupling(network_k, reverse=bool(k % 2), log_scale=log_scale),
        ]

    # Without a shuffle, a half would hold only neighbouring pixels.
    shuffle = [] if levels is None else [Permute("shuffle")]
    return dense_flow(
        [*shuffle, *repeated(coupling, num_couplings, period=2, stacked=stacked)],
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws),
        context=told,
        support=support,
        name=name,
    )
