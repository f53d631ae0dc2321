"""Masked and inverse autoregressive flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tfflows.backend.arguments import check_count, check_flag, check_word
from tfflows.backend.policy import DType
from tfflows.bijectors import (
    ActNorm,
    AffineLaw,
    BatchNormalization,
    FlowStep,
    InverseAutoregressive,
    MaskedAutoregressive,
    Permute,
)
from tfflows.families.declare import LogScale, family, inherit
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.dense import dense_flow, preprocessing_for
from tfflows.families.parts.image import LOGIT_ALPHA
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow
from tfflows.networks import MADE

Normalization = Literal["batch", "actnorm", "none"]


def _autoregressive(
    step_class: type[MaskedAutoregressive] | type[InverseAutoregressive],
    event_shape: Sequence[int],
    *,
    num_steps: int = 5,
    hidden_units: Sequence[int] = (128, 128),
    activation: str = "relu",
    residual: bool = False,
    log_scale: LogScale = "tanh",
    normalization: Normalization = "none",
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
    name: str,
) -> Flow:
    """Returns a flow of autoregressive steps with a reversal between any two.

    Args:
      step_class: The class of the steps, which fixes the direction of one pass.
      num_steps: Number of autoregressive steps.
      hidden_units: Widths of each step's MADE.
      activation: Activation of the MADE.
      residual: Whether its hidden layers are residual; they then have equal widths.
      normalization: "batch" (a `BatchNormalization` after each step, as in MAF's
        paper), "actnorm" (before each step) or "none".
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        context_dim=context_dim,
        context=context,
    )
    check_count("num_steps", num_steps)
    check_word("normalization", normalization, Normalization)

    def step(_: int) -> list[FlowStep]:
        made = MADE(
            hidden_units,
            activation=activation,
            residual=residual,
            context_dim=told.dim,
        )
        return [
            *([ActNorm()] if normalization == "actnorm" else []),
            step_class(made, AffineLaw(log_scale)),
            *([BatchNormalization()] if normalization == "batch" else []),
            Permute("reverse"),
        ]

    stacks = check_flag("stacked", stacked) and normalization != "batch"
    steps = repeated(step, num_steps, stacked=stacks)
    # No reversal next to the base. In a stack, the last one stays and is undone here.
    steps = [*steps, Permute("reverse")] if num_steps > 1 and stacks else steps[:-1]
    return dense_flow(
        steps,
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws),
        context=told,
        support=support,
        name=name,
    )


@family
@inherit(_autoregressive)
def maf(event_shape: Sequence[int], *, name: str = "maf", **arguments: Any) -> Flow:
    """Builds MAF: affine autoregressive steps that reverse the elements in between.

    A density is one pass of the networks; a sample takes a pass per element. Integer
    data are dequantized and mapped to the line by a logit.

    Source: Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
    Estimation", 2017, arXiv 1705.07057.

    Returns:
      The model.

    Raises:
      ValueError: If a word is unknown or an argument is out of range.
    """
    return _autoregressive(MaskedAutoregressive, event_shape, name=name, **arguments)


@family
@inherit(_autoregressive)
def iaf(event_shape: Sequence[int], *, name: str = "iaf", **arguments: Any) -> Flow:
    """Builds IAF: `maf` with inverted steps, so that a sample is one pass.

    The density of given data, and so a training step, takes a pass per element. Use an
    IAF with `ReverseKL` and as a posterior, which only need densities of its samples.

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive
    Flow", 2016, arXiv 1606.04934.

    Returns:
      The model.

    Raises:
      ValueError: If a word is unknown or an argument is out of range.
    """
    return _autoregressive(InverseAutoregressive, event_shape, name=name, **arguments)
