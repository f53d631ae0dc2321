"""Masked and inverse autoregressive flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfflows.backend.arguments import check_count, check_word
from tfflows.bijectors import (
    ActNorm,
    AffineLaw,
    BatchNormalization,
    FlowStep,
    InverseAutoregressive,
    MaskedAutoregressive,
    Permute,
)
from tfflows.families.context import builder_context
from tfflows.families.dense import dense_flow, preprocessing_for
from tfflows.families.image import LOGIT_ALPHA
from tfflows.models.flow import Flow
from tfflows.networks import MADE

NORMALIZATIONS = ("batch", "actnorm", "none")


def maf(
    event_shape: Sequence[int],
    *,
    num_steps: int = 5,
    hidden_units: Sequence[int] = (128, 128),
    activation: str = "relu",
    residual: bool = False,
    log_scale: str = "tanh",
    normalization: str = "none",
    levels: int | None = None,
    standardize: bool = False,
    logit_alpha: float = LOGIT_ALPHA,
    evaluation_draws: int = 1,
    context_dim: int | None = None,
    context: Mapping[str, Any] | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    dtype: Any = None,
    name: str = "maf",
) -> Flow:
    """MAF: affine autoregressive steps, the order of the elements reversed in between.

    The density is one pass of the networks, a sample one pass element by element.
    Integer data are dequantized and mapped to the line by a logit.

    Source: Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
    Estimation", 2017, arXiv 1705.07057.

    Args:
      event_shape: Shape of one event; it is flattened.
      num_steps: Number of autoregressive steps.
      hidden_units: Widths of each step's MADE.
      activation: Its activation.
      residual: Whether its hidden layers add to the one before; equal widths then.
      log_scale: "tanh", "sigmoid" or "exp", see `AffineLaw`.
      normalization: "batch" (a `BatchNormalization` after each step, as in the paper),
        "actnorm" (before each step) or "none".
      levels: Number of levels of integer data; None for continuous data.
      standardize: Whether to standardise the data, from `initialize`'s batch.
      logit_alpha: Alpha of the logit of integer data.
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
      context_dim: Size of the vectors that are a conditional model's context, or None.
      context: The next three as a dict, as before version 0.2.
      context_shape: Shape of another context, as in `Flow`: labels (), images, sets.
      context_dtype: As in `Flow`.
      context_network: As in `Flow`: embeds such a context as a vector.
      dtype: Keras dtype policy.
      name: Name of the model.

    Returns:
      The model.

    Raises:
      ValueError: For unknown words, or parts out of range.
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        dtype,
        context_dim=context_dim,
        context=context,
    )
    made = {
        "hidden_units": hidden_units,
        "activation": activation,
        "residual": residual,
        "context_dim": told.dim,
    }
    return dense_flow(
        _steps(MaskedAutoregressive, num_steps, made, log_scale, normalization, dtype),
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws, dtype),
        context=told,
        dtype=dtype,
        name=name,
    )


def iaf(
    event_shape: Sequence[int],
    *,
    num_steps: int = 5,
    hidden_units: Sequence[int] = (128, 128),
    activation: str = "relu",
    residual: bool = False,
    log_scale: str = "tanh",
    normalization: str = "none",
    levels: int | None = None,
    standardize: bool = False,
    logit_alpha: float = LOGIT_ALPHA,
    evaluation_draws: int = 1,
    context_dim: int | None = None,
    context: Mapping[str, Any] | None = None,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    dtype: Any = None,
    name: str = "iaf",
) -> Flow:
    """IAF: `maf` with its steps inverted, so that a sample is one pass.

    The density of given data, and with it a training step, goes element by element:
    an IAF is for `ReverseKL` and for posteriors, where its own samples are scored.

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive
    Flow", 2016, arXiv 1606.04934.

    Args:
      event_shape: Shape of one event; it is flattened.
      num_steps: Number of autoregressive steps.
      hidden_units: Widths of each step's MADE.
      activation: Its activation.
      residual: Whether its hidden layers add to the one before; equal widths then.
      log_scale: "tanh", "sigmoid" or "exp", see `AffineLaw`.
      normalization: "batch" (a `BatchNormalization` after each step), "actnorm"
        (before each step) or "none".
      levels: Number of levels of integer data; None for continuous data.
      standardize: Whether to standardise the data, from `initialize`'s batch.
      logit_alpha: Alpha of the logit of integer data.
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
      context_dim: Size of the vectors that are a conditional model's context, or None.
      context: The next three as a dict, as before version 0.2.
      context_shape: Shape of another context, as in `Flow`: labels (), images, sets.
      context_dtype: As in `Flow`.
      context_network: As in `Flow`: embeds such a context as a vector.
      dtype: Keras dtype policy.
      name: Name of the model.

    Returns:
      The model.

    Raises:
      ValueError: For unknown words, or parts out of range.
    """
    told = builder_context(
        context_shape,
        context_dtype,
        context_network,
        dtype,
        context_dim=context_dim,
        context=context,
    )
    made = {
        "hidden_units": hidden_units,
        "activation": activation,
        "residual": residual,
        "context_dim": told.dim,
    }
    return dense_flow(
        _steps(InverseAutoregressive, num_steps, made, log_scale, normalization, dtype),
        event_shape,
        preprocessing_for(levels, standardize, logit_alpha, evaluation_draws, dtype),
        context=told,
        dtype=dtype,
        name=name,
    )


def _steps(
    step_class: type[MaskedAutoregressive] | type[InverseAutoregressive],
    num_steps: int,
    made: dict[str, Any],
    log_scale: str,
    normalization: str,
    dtype: Any,
) -> list[FlowStep]:
    """Autoregressive steps, each normalised, and a reversal between any two."""
    check_count("num_steps", num_steps)
    check_word("normalization", normalization, NORMALIZATIONS)
    steps: list[FlowStep] = []
    for k in range(num_steps):
        if k > 0:
            steps.append(Permute("reverse", dtype=dtype))
        if normalization == "actnorm":
            steps.append(ActNorm(dtype=dtype))
        network = MADE(**made, dtype=dtype)
        steps.append(step_class(network, AffineLaw(log_scale), dtype=dtype))
        if normalization == "batch":
            steps.append(BatchNormalization(dtype=dtype))
    return steps
