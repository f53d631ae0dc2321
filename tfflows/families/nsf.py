"""Neural spline flows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tfflows.backend.arguments import (
    check_count,
    check_flag,
    check_unused,
    check_word,
)
from tfflows.backend.policy import DType
from tfflows.bijectors import (
    ActNorm,
    CircularSplineAutoregressive,
    CircularSplineCoupling,
    FlowStep,
    Invertible1x1Conv,
    MaskedAutoregressive,
    Permute,
    RationalQuadraticCoupling,
    RationalQuadraticLaw,
)
from tfflows.distributions import UniformTorus
from tfflows.families.declare import Network, family
from tfflows.families.parts.circular import (
    angles_of,
    masked_steps,
    only_real,
    permuted_steps,
)
from tfflows.families.parts.context import BuilderContext, builder_context
from tfflows.families.parts.dense import conditioner, dense_flow, preprocessing_for
from tfflows.families.parts.image import LOGIT_ALPHA
from tfflows.families.parts.stacking import repeated
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
    circular: Sequence[bool] | None = None,
    wrap: bool = False,
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

    With `circular`, some elements are angles in [-pi, pi). They get splines of the
    circle, see `CircularSplineCoupling`, and a uniform base; the density is continuous
    across the seam between pi and -pi. Outside [-pi, pi] it is 0.

    Source: Durkan, Bekasov, Murray and Papamakarios, "Neural Spline Flows", 2019,
    arXiv 1906.04032, section 4 and appendix B: RQ-NSF (C) and RQ-NSF (AR); angles:
    Rezende et al., "Normalizing Flows on Tori and Spheres", 2020, arXiv 2002.02428.

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
        "shuffle" (fixed). With angles, which a matrix would tear at the seam, "linear"
        stands for masks that differ between couplings, and for "reverse" between
        autoregressive steps.
      actnorm: Whether an ActNorm precedes each step; not with angles.
      circular: Which elements of the flattened event are angles, True or False for
        each; None: none.
      wrap: Whether angles outside the period are wrapped into it instead.

    Returns:
      The model.

    Raises:
      ValueError: If a word is unknown or an argument is out of range, or for angles
        together with `support`, `levels`, `standardize` or `actnorm`.
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        context_dim=context_dim,
        context=context,
    )
    check_word("permutation", permutation, Permutation)
    check_count("num_steps", num_steps)
    # Shuffles of different steps differ by more than weights.
    stacks = check_flag("stacked", stacked) and permutation != "shuffle"
    splines = _Splines(structure, network, hidden_units, told, num_bins, bound, wrap)
    preprocessing = preprocessing_for(
        levels, standardize, logit_alpha, evaluation_draws
    )
    angles = angles_of(circular, event_shape, name)
    if angles is not None:
        only_real(levels=levels, support=support)
        only_real("; scale other elements to about 1", standardize=standardize)
        only_real(actnorm=actnorm)
        steps, latent = _circular_steps(splines, angles, num_steps, permutation, stacks)
        base = UniformTorus(angles.size, latent, dtype=steps[0].flow_dtype)
        return dense_flow(steps, event_shape, [], context=told, base=base, name=name)
    check_unused("wrap", wrap, [False], "circular")

    def step(k: int) -> list[FlowStep]:
        norms = [ActNorm()] if check_flag("actnorm", actnorm) else []
        return [*norms, _mixing(permutation, k), splines.real()]

    return dense_flow(
        [
            *repeated(step, num_steps, stacked=stacks),
            _mixing(permutation, num_steps),
        ],
        event_shape,
        preprocessing,
        context=told,
        support=support,
        name=name,
    )


@dataclasses.dataclass(frozen=True)
class _Splines:
    """Makes the steps of a flow."""

    structure: Structure
    network: Network
    hidden_units: Sequence[int]
    told: BuilderContext
    num_bins: int
    bound: float
    wrap: bool

    @property
    def is_coupling(self) -> bool:
        return check_word("structure", self.structure, Structure) == "coupling"

    def _conditioner(self) -> Any:
        if self.is_coupling:
            return conditioner(self.network, self.hidden_units, self.told.dim)
        residual = check_word("network", self.network, Network) == "resnet"
        dim = self.told.dim
        return MADE(self.hidden_units, residual=residual, context_dim=dim)

    def real(self) -> FlowStep:
        """A step for real elements."""
        network, bins, bound = self._conditioner(), self.num_bins, self.bound
        if self.is_coupling:
            return RationalQuadraticCoupling(network, num_bins=bins, bound=bound)
        return MaskedAutoregressive(network, RationalQuadraticLaw(bins, bound))

    def circular(self, flags: list[bool], mask: Any, reverse: bool) -> FlowStep:
        """A step for elements some of which are angles."""
        settings: dict[str, Any] = {
            "num_bins": self.num_bins,
            "bound": self.bound,
            "circular": flags,
            "wrap": self.wrap,
        }
        network = self._conditioner()
        if self.is_coupling:
            return CircularSplineCoupling(network, mask, reverse=reverse, **settings)
        return CircularSplineAutoregressive(network, **settings)


def _circular_steps(
    splines: _Splines,
    angles: np.ndarray,
    number: int,
    permutation: Permutation,
    stacked: bool,
) -> tuple[list[FlowStep], np.ndarray]:
    """Returns the steps, and which of the latents are angles."""
    if splines.is_coupling and permutation == "linear":
        return masked_steps(splines.circular, angles, number, stacked=stacked), angles
    order: Permutation = "reverse" if permutation == "linear" else permutation

    def mixing(k: int) -> Permute:
        return Permute(order, seed=k if order == "shuffle" else 0)

    return permuted_steps(splines.circular, mixing, angles, number, stacked=stacked)


def _mixing(permutation: Permutation, seed: int) -> FlowStep:
    if check_word("permutation", permutation, Permutation) == "linear":
        return Invertible1x1Conv(event_ndims=1)
    if permutation == "reverse":
        return Permute("reverse")
    return Permute("shuffle", seed=seed)
