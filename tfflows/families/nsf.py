"""Neural spline flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tfflows.backend.arguments import check_count, check_flag, check_word
from tfflows.backend.policy import DType
from tfflows.bijectors import (
    ActNorm,
    FlowStep,
    Invertible1x1Conv,
    MaskedAutoregressive,
    Permute,
    RationalQuadraticCoupling,
    RationalQuadraticLaw,
)
from tfflows.families.context import builder_context
from tfflows.families.declare import Network, family
from tfflows.families.dense import conditioner, dense_flow, preprocessing_for
from tfflows.families.image import LOGIT_ALPHA
from tfflows.families.stacking import repeated
from tfflows.models.flow import Flow
from tfflows.networks import MADE

Structure = Literal["coupling", "autoregressive"]
Permutation = Literal["linear", "reverse", "shuffle"]


@family
def nsf(
    event_shape: Sequence[int],
    *,
    structure: Structure = "coupling",
    num_steps: int = 8,
    hidden_units: Sequence[int] = (128, 128),
    network: Network = "resnet",
    num_bins: int = 8,
    bound: float = 3.0,
    permutation: Permutation = "linear",
    actnorm: bool = False,
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
    name: str = "nsf",
) -> Flow:
    """Builds a neural spline flow of rational-quadratic couplings or MADE steps.

    Each step mixes the elements (a permutation, or an invertible matrix) and then maps
    them by splines on [-bound, bound]. Outside, the splines are the identity, so data
    should have a scale of about 1. A last mixing follows next to the base.

    Source: Durkan, Bekasov, Murray and Papamakarios, "Neural Spline Flows", 2019,
    arXiv 1906.04032, section 4 and appendix B: RQ-NSF (C) and RQ-NSF (AR).

    Args:
      structure: "coupling", or "autoregressive", which fits more but takes a pass per
        element to sample.
      num_steps: Number of steps.
      hidden_units: Widths of each network.
      network: "mlp", or "resnet" of width hidden_units[0] with a block per entry (in an
        autoregressive step, a residual MADE with a layer per entry).
      num_bins: Bins of each spline.
      bound: Half the length of the splines' interval.
      permutation: "linear" (an invertible matrix, as in the paper), "reverse" or
        "shuffle" (fixed).
      actnorm: Whether an ActNorm precedes each step.

    Returns:
      The model.

    Raises:
      ValueError: If a word is unknown or an argument is out of range.
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        context_dim=context_dim,
        context=context,
    )

    def spline() -> FlowStep:
        if check_word("structure", structure, Structure) == "coupling":
            return RationalQuadraticCoupling(
                conditioner(network, hidden_units, told.dim),
                num_bins=num_bins,
                bound=bound,
            )
        made = MADE(
            hidden_units,
            residual=check_word("network", network, Network) == "resnet",
            context_dim=told.dim,
        )
        law = RationalQuadraticLaw(num_bins, bound)
        return MaskedAutoregressive(made, law)

    def step(k: int) -> list[FlowStep]:
        norms = [ActNorm()] if check_flag("actnorm", actnorm) else []
        return [*norms, _mixing(permutation, k), spline()]

    check_count("num_steps", num_steps)
    # Shuffles of different steps differ by more than weights.
    stacks = check_flag("stacked", stacked) and permutation != "shuffle"
    return dense_flow(
        [
            *repeated(step, num_steps, stacked=stacks),
            _mixing(permutation, num_steps),
        ],
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws),
        context=told,
        support=support,
        name=name,
    )


def _mixing(permutation: Permutation, seed: int) -> FlowStep:
    if check_word("permutation", permutation, Permutation) == "linear":
        return Invertible1x1Conv(event_ndims=1)
    if permutation == "reverse":
        return Permute("reverse")
    return Permute("shuffle", seed=seed)
