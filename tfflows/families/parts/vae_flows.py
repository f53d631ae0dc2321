"""Flows as posteriors and priors of the VAE families."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

from tfflows import bijectors as fb
from tfflows.backend.arguments import check_count, check_flag, check_unused
from tfflows.families.parts.stacking import repeated
from tfflows.networks import MADE, MLP

Posterior = Literal[
    "none",
    "planar",
    "radial",
    "sylvester_orthogonal",
    "sylvester_householder",
    "sylvester_triangular",
    "realnvp",
    "iaf",
]
Prior = Literal["none", "realnvp"]
POSTERIORS: tuple[str, ...] = get_args(Posterior)
PRIORS: tuple[str, ...] = get_args(Prior)
# Posteriors and priors whose steps alternate between two structures.
_ALTERNATING = ("sylvester_triangular", "realnvp")
# Each argument's default, and the posteriors and priors that use it.
_USES: dict[str, tuple[Any, set[tuple[str, str]]]] = {
    "num_flows": (4, {("posterior", word) for word in POSTERIORS[1:]}),
    "num_columns": (16, {("posterior", "sylvester_orthogonal")}),
    "num_reflections": (8, {("posterior", "sylvester_householder")}),
    "num_prior_couplings": (6, {("prior", "realnvp")}),
    "flow_units": (
        (128,),
        {("posterior", "realnvp"), ("posterior", "iaf"), ("prior", "realnvp")},
    ),
}


def check_used(words: tuple[str, str], **values: Any) -> None:
    """Raises ValueError for sizes of flows that are not used.

    Args:
      words: The posterior and the prior.
      **values: Sizes by name; those of other flows must have their defaults.
    """
    chosen = set(zip(("posterior", "prior"), words, strict=True))
    for name, value in values.items():
        default, uses = _USES[name]
        if not chosen & uses:
            where = " or ".join(f"{part}={word!r}" for part, word in sorted(uses))
            check_unused(name, value, [default], where)


@dataclasses.dataclass(frozen=True)
class StepMaker:
    """Makes the steps of a posterior or a prior.

    Args:
      context_dim: Size of the features that a posterior depends on; None: a prior.
      units: Widths of the networks of couplings and autoregressive steps.
      num_columns: Columns of each orthogonal Sylvester step.
      num_reflections: Reflections of each Householder Sylvester step.
    """

    context_dim: int | None
    units: Sequence[int]
    num_columns: int = 16
    num_reflections: int = 8

    def step(self, word: str, k: int) -> fb.FlowStep:
        """Returns step k of a flow, which is one of `POSTERIORS`."""
        if word == "realnvp":
            network = MLP(self.units, context_dim=self.context_dim)
            return fb.AffineCoupling(network, reverse=bool(k % 2))
        if word == "iaf":
            made = MADE(self.units, context_dim=self.context_dim)
            return fb.Chain([fb.InverseAutoregressive(made), fb.Permute("reverse")])
        amortised: dict[str, Any] = {"context_dim": self.context_dim}
        if word == "sylvester_orthogonal":
            return fb.OrthogonalSylvester(self.num_columns, **amortised)
        if word == "sylvester_householder":
            return fb.HouseholderSylvester(self.num_reflections, **amortised)
        if word == "sylvester_triangular":
            return fb.TriangularSylvester(reverse=bool(k % 2), **amortised)
        return {"planar": fb.Planar, "radial": fb.Radial}[word](**amortised)


def flow_chain(
    name: str, word: str, maker: StepMaker, num_steps: int, stacked: bool
) -> fb.Chain | None:
    """Returns a flow on latents, or None for "none".

    Args:
      name: Name of the argument for the number of steps.
      word: One of `POSTERIORS` or `PRIORS`.
      maker: Makes the steps.
      num_steps: Their number.
      stacked: Whether steps that repeat become one `Repeated`.

    Raises:
      ValueError: If the number is negative.
    """
    check_count(name, num_steps, least=0)
    check_flag("stacked", stacked)
    if word == "none":
        return None
    period = 2 if word in _ALTERNATING else 1
    return fb.Chain(
        repeated(
            lambda k: [maker.step(word, k)], num_steps, period=period, stacked=stacked
        )
    )
