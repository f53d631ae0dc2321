"""Continuous flows: trained by their likelihood, or by flow matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras

from tfflows.backend.arguments import check_counts, check_sizes, check_word
from tfflows.backend.policy import DType
from tfflows.bijectors import Chain, ContinuousFlow, Flatten, FlowStep
from tfflows.families.declare import family, inherit
from tfflows.families.parts.context import BuilderContext, builder_context
from tfflows.families.parts.dense import preprocessing_for
from tfflows.families.parts.image import LOGIT_ALPHA
from tfflows.models.flow import Flow
from tfflows.models.matching import FlowMatching
from tfflows.networks import MLP, UNet

VelocityNetwork = Literal["mlp", "unet"]
Method = Literal["rk4", "midpoint", "dopri5"]
Divergence = Literal["exact", "hutchinson"]
Path = Literal["linear", "minibatch_ot"]


def _velocity_network(
    network: VelocityNetwork,
    event_shape: tuple[int, ...],
    hidden_units: Sequence[int],
    activation: str,
    width: int,
    num_levels: int,
    context: BuilderContext,
) -> keras.layers.Layer:
    hidden_units = check_counts("hidden_units", hidden_units)
    if check_word("network", network, VelocityNetwork) == "mlp":
        return MLP(hidden_units, activation, context_dim=context.dim)
    if len(event_shape) != 3:
        raise ValueError(
            "expected images of shape (height, width, channels) with network='unet', "
            f"got {event_shape}"
        )
    return UNet(width, num_levels, context_dim=context.dim)


def _continuous(
    kind: Any,
    event_shape: Sequence[int],
    *,
    network: VelocityNetwork = "mlp",
    hidden_units: Sequence[int] = (64, 64, 64),
    activation: str = "tanh",
    width: int = 32,
    num_levels: int = 2,
    method: Method = "rk4",
    num_steps: int = 16,
    divergence: Divergence = "exact",
    num_probes: int = 1,
    tolerance: float = 1e-3,
    levels: int | None = None,
    standardize: bool = False,
    logit_alpha: float = LOGIT_ALPHA,
    evaluation_draws: int = 1,
    context_dim: int | None = None,
    context: Mapping[str, Any] | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    dtype: DType = None,
    name: str,
) -> Flow:
    """A model of one continuous flow.

    Args:
      kind: Makes the model, from network, event shape, solver and the rest.
      network: "mlp", or "unet" for images.
      hidden_units: Widths of the MLP.
      activation: Its activation, which has to be smooth.
      width: Channels of the first level of the `UNet`.
      num_levels: Its levels.
      method: "rk4", "midpoint" or "dopri5", see `ContinuousFlow`.
      num_steps: Steps of the first two.
      divergence: "exact" or "hutchinson", see `ContinuousFlow`.
      num_probes: As in `ContinuousFlow`.
      tolerance: As in `ContinuousFlow`.
    """
    event_shape = check_sizes("event_shape", event_shape)
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        context_dim=context_dim,
        context=context,
    )
    layer = _velocity_network(
        network, event_shape, hidden_units, activation, width, num_levels, told
    )
    solver = {
        "method": method,
        "num_steps": num_steps,
        "divergence": divergence,
        "num_probes": num_probes,
        "tolerance": tolerance,
    }
    return kind(
        layer,
        event_shape,
        solver,
        flatten=network == "mlp" and len(event_shape) > 1,
        preprocessing=preprocessing_for(
            levels, standardize, logit_alpha, evaluation_draws
        ),
        name=name,
        **told.arguments,
    )


def _ffjord(
    network: keras.layers.Layer,
    event_shape: tuple[int, ...],
    solver: dict[str, Any],
    *,
    flatten: bool,
    **arguments: Any,
) -> Flow:
    flow: FlowStep = ContinuousFlow(network, **solver)
    if flatten:
        flow = Chain([Flatten(), flow], event_ndims=len(event_shape))
    return Flow(flow, event_shape, **arguments)


@family
@inherit(_continuous)
def ffjord(
    event_shape: Sequence[int], *, name: str = "ffjord", **arguments: Any
) -> Flow:
    """FFJORD: one continuous flow, trained by maximum likelihood.

    A training step solves the flow's equation, and its adjoint by recomputation.
    Integer data are dequantized and mapped to the line by a logit.

    Source: Grathwohl et al., "FFJORD: Free-form Continuous Dynamics for Scalable
    Reversible Generative Models", 2018, arXiv 1810.01367.

    Returns:
      The model.

    Raises:
      ValueError: For unknown words, or parts out of range.
    """
    return _continuous(_ffjord, event_shape, name=name, **arguments)


@family
@inherit(_continuous)
def flow_matching(
    event_shape: Sequence[int],
    *,
    path: Path = "linear",
    seed: int = 0,
    name: str = "flow_matching",
    **arguments: Any,
) -> FlowMatching:
    """One continuous flow, trained by regression on its velocities: `FlowMatching`.

    Integer data are dequantized and mapped to the line by a logit.

    Source: Lipman et al., "Flow Matching for Generative Modeling", 2022, arXiv
    2210.02747.

    Args:
      path: "linear" or "minibatch_ot", see `FlowMatching`.
      seed: Of the noise of training.

    Returns:
      The model.

    Raises:
      ValueError: For unknown words, or parts out of range.
    """

    def matching(
        network: keras.layers.Layer,
        event_shape: tuple[int, ...],
        solver: dict[str, Any],
        *,
        flatten: bool,
        preprocessing: list[Any],
        **rest: Any,
    ) -> FlowMatching:
        parts = [*preprocessing, *([Flatten()] if flatten else [])]
        return FlowMatching(
            network,
            event_shape,
            path,
            preprocessing=parts,
            seed=seed,
            **solver,
            **rest,
        )

    return _continuous(matching, event_shape, name=name, **arguments)
