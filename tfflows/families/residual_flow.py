"""Residual flows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras

from tfflows.backend.arguments import check_count, check_counts, check_flag, check_word
from tfflows.backend.policy import DType
from tfflows.bijectors import ActNorm, Chain, FlowStep, Residual, Squeeze
from tfflows.families.declare import family
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.dense import dense_flow, preprocessing_for
from tfflows.families.parts.image import LOGIT_ALPHA, check_images
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow
from tfflows.networks import LipschitzConvNet, LipschitzMLP

ResidualNetwork = Literal["mlp", "convnet"]
LipschitzActivation = Literal["lipswish", "elu", "softplus", "tanh"]
Norm = Literal["1", "2", "inf"]
LogDet = Literal["exact", "series"]

_MOST_EXACT = 8  # elements of an event whose log-det is exact by default


@family
def residual_flow(
    event_shape: Sequence[int],
    *,
    num_blocks: int = 16,
    network: ResidualNetwork = "mlp",
    hidden_units: Sequence[int] = (64, 64),
    width: int = 64,
    num_levels: int = 1,
    activation: LipschitzActivation = "lipswish",
    lipschitz: float = 0.9,
    norm: Norm = "2",
    log_det: LogDet | None = None,
    num_terms: int = 20,
    certain_terms: int = 4,
    going_on: float = 0.5,
    num_probes: int = 1,
    tolerance: float = 1e-3,
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
    name: str = "residual_flow",
) -> Flow:
    """Builds a residual flow: actnorms and steps x + g(x) with contractions g.

    A density is one pass; a sample solves an equation for each block by iteration.
    Integer data are dequantized and mapped to the line by a logit. With "convnet",
    events are images [H, W, C], and the levels are separated by `Squeeze`; nothing is
    factored out.

    Source: Chen et al., "Residual Flows for Invertible Generative Modeling", 2019,
    arXiv 1906.02735.

    Args:
      event_shape: Shape of one event; "mlp" flattens it.
      num_blocks: Blocks of each level.
      network: "mlp", or "convnet" for images.
      hidden_units: Widths of the hidden layers of the MLPs.
      width: Hidden channels of the convolutional networks.
      num_levels: Levels of the convolutional flow; MLPs have one.
      activation: "lipswish", "elu", "softplus" or "tanh".
      lipschitz: Bound of the Lipschitz constant of each g, between 0 and 1.
      norm: The norm in which it holds: "2", "1" or "inf".
      log_det: "exact" or "series", see `Residual`; None: exact for events of up to 8
        elements.
      num_terms: As in `Residual`.
      certain_terms: As in `Residual`.
      going_on: As in `Residual`. The variance of the estimate in training is finite
        for all g if going_on > lipschitz^2, which the defaults, as the authors'
        values, do not satisfy.
      num_probes: As in `Residual`.
      tolerance: As in `Residual`.
      actnorm: Whether an ActNorm precedes each block; None: not for integer data that
        are flattened, because a pixel may be constant.

    Returns:
      The model.

    Raises:
      ValueError: If a word is unknown, a number out of range, or the levels cannot
        halve the sides.
    """
    is_conv = check_word("network", network, ResidualNetwork) == "convnet"
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        context_dim=context_dim,
        context=context,
        images=is_conv,
    )
    check_count("num_blocks", num_blocks)
    check_count("num_levels", num_levels)
    if actnorm is None:
        actnorm = is_conv or levels is None
    if log_det is None:
        log_det = "exact" if math.prod(event_shape) <= _MOST_EXACT else "series"
    common: dict[str, Any] = {"activation": activation, "lipschitz": lipschitz}
    common |= {"norm": norm, "context_dim": told.dim}

    def make_network() -> keras.layers.Layer:
        if is_conv:
            return LipschitzConvNet(width, **common)
        return LipschitzMLP(check_counts("hidden_units", hidden_units), **common)

    def block(k: int) -> list[FlowStep]:
        norms = [ActNorm()] if check_flag("actnorm", actnorm) else []
        step = Residual(
            make_network(),
            check_word("log_det", log_det, LogDet),
            num_terms=num_terms,
            certain_terms=certain_terms,
            going_on=going_on,
            num_probes=num_probes,
            tolerance=tolerance,
        )
        return [*norms, step]

    def blocks() -> list[FlowStep]:
        return repeated(block, num_blocks, stacked=stacked)

    preprocessing = preprocessing_for(
        levels, standardize, logit_alpha, evaluation_draws
    )
    if not is_conv:
        return dense_flow(
            blocks(),
            event_shape,
            preprocessing,
            context=told,
            support=support,
            name=name,
        )
    return Flow(
        _in_levels(event_shape, num_levels, blocks),
        event_shape,
        preprocessing=preprocessing,
        support=support,
        name=name,
        **told.arguments,
    )


def _in_levels(
    event_shape: Sequence[int],
    num_levels: int,
    blocks: Callable[[], list[FlowStep]],
) -> FlowStep:
    """Returns the levels' blocks, with a `Squeeze` between any two levels."""
    check_images(event_shape, num_levels, squeeze_last=False)
    steps = blocks()
    for _ in range(num_levels - 1):
        steps += [Squeeze(), *blocks()]
    return Chain(steps, event_ndims=3)
