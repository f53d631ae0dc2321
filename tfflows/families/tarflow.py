"""TarFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfflows.backend.arguments import (
    check_count,
    check_number,
    check_sizes,
    check_unused,
)
from tfflows.backend.policy import DType
from tfflows.bijectors import Chain, FlowStep, Patches, TransformerAutoregressive
from tfflows.families.declare import Backprop, family
from tfflows.families.parts.context import BuilderContext, builder_context
from tfflows.models.tarflow_model import TarFlow
from tfflows.preprocessing import Dequantization, GaussianNoise, Logit, Rescale


@family
def tarflow(
    event_shape: Sequence[int],
    *,
    patch_size: int = 2,
    num_blocks: int = 4,
    num_layers: int = 8,
    width: int = 512,
    num_heads: int = 8,
    expansion: int = 4,
    noise_std: float | None = None,
    num_classes: int | None = None,
    label_dropout: float = 0.0,
    logit_alpha: float | None = None,
    levels: int | None = None,
    evaluation_draws: int = 1,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    backprop: Backprop = "stored",
    dtype: DType = None,
    name: str = "tarflow",
) -> TarFlow:
    """Builds TarFlow for images [H, W, C] of integers or continuous values.

    The patches of an image are a sequence. Each block maps a patch by an affine map
    whose parameters a causal transformer computes from the patches before it; every
    second block takes the patches in reverse. A density costs one pass of each
    transformer. A sample computes patch after patch, with keys and values of the
    earlier ones kept.

    Integers are dequantized by uniform noise and scaled to [-1, 1]; figures are then
    bits per dimension. With `noise_std`, Gaussian noise is added instead: the model has
    better images (`TarFlow.generate` removes their noise) and no bits per dimension.

    Source: Zhai et al., "Normalizing Flows are Capable Generative Models", 2024, arXiv
    2412.06329; the defaults but for patch_size, 4 there, are those of the authors'
    code. Not as there: the first patch of a block has parameters, too, and a label
    reaches all blocks through one embedding.

    Args:
      event_shape: Shape [H, W, C] of one event.
      patch_size: Side of a patch, a divisor of H and W.
      num_blocks: Number of autoregressive steps.
      num_layers: Attention layers in each.
      width: Size of a patch's features in the transformers.
      num_heads: Heads of each attention; they divide the width.
      expansion: Width of the layers after an attention, in units of `width`.
      noise_std: Deviation of Gaussian noise on data scaled to [-1, 1], 0.05 in the
        paper; None: uniform noise in [0, 1) level.
      num_classes: Number of classes of a class-conditional model, or None.
      label_dropout: Probability that training hides an example's label, 0.1 for
        guidance, see `TarFlow`.
      logit_alpha: None scales integers to [-1, 1], as in the paper; else alpha of a
        logit, which serves images with a background of one level.
      evaluation_draws: Draws of noise that `evaluate` averages.
      context_shape: Shape of another context, a vector or what context_network embeds
        as one, see `Flow`.
      context_network: As in `Flow`.

    Returns:
      The model.

    Raises:
      ValueError: For a patch_size that does not divide the sides or leaves one patch,
        or an argument that is out of range or would have no effect.
    """
    check_count("num_blocks", num_blocks)
    shape = _checked_shape(event_shape, patch_size)
    given = (context_shape, context_dtype, context_network)
    context = _context(num_classes, given, width)
    blocks: list[FlowStep] = [
        TransformerAutoregressive(
            num_layers,
            width,
            num_heads,
            reverse=bool(k % 2),
            expansion=expansion,
            context_dim=context.dim,
        )
        for k in range(num_blocks)
    ]
    return TarFlow(
        Chain([Patches(patch_size), *blocks], event_ndims=3),
        shape,
        preprocessing=_preprocessing(levels, noise_std, logit_alpha, evaluation_draws),
        backprop=backprop,
        label_dropout=label_dropout,
        name=name,
        **context.arguments,
    )


def _checked_shape(event_shape: Sequence[int], patch_size: int) -> tuple[int, ...]:
    shape = check_sizes("event_shape", event_shape)
    if len(shape) != 3:
        raise ValueError(
            f"expected images of shape (height, width, channels), got {event_shape}"
        )
    if check_count("patch_size", patch_size) == max(shape[:2]) == min(shape[:2]):
        raise ValueError(
            f"expected patch_size < {patch_size}, so that an image of "
            f"{shape[0]} x {shape[1]} has more than one patch, got {patch_size}"
        )
    return shape


def _context(
    num_classes: int | None, given: tuple[Any, Any, Any], width: int
) -> BuilderContext:
    if num_classes is None:
        return builder_context(*given)
    if given != (None, None, None):
        raise ValueError(
            f"expected num_classes={num_classes} or another context, got both: with "
            "num_classes, the context is the class label"
        )
    classes = check_count("num_classes", num_classes)
    # From that many features, each block can give each class a vector of its own.
    features = min(classes, check_count("width", width))
    return builder_context((), None, keras.layers.Embedding(classes, features))


def _preprocessing(
    levels: int | None,
    noise_std: float | None,
    logit_alpha: float | None,
    evaluation_draws: int,
) -> list[Any]:
    if levels is None:
        check_unused("noise_std", noise_std, [None], "levels")
        check_unused("logit_alpha", logit_alpha, [None], "levels")
        check_unused("evaluation_draws", evaluation_draws, [1], "levels")
        return []
    if noise_std is not None:
        check_number("noise_std", noise_std, above=0.0)
        check_unused("logit_alpha", logit_alpha, [None], "uniform noise")
        half = (check_count("levels", levels, least=2) - 1) / 2
        noise = GaussianNoise(
            levels, noise_std * half, evaluation_draws=evaluation_draws
        )
        return [noise, Rescale(levels / 2, levels / 2 + half)]
    dequantization = Dequantization(levels, evaluation_draws=evaluation_draws)
    if logit_alpha is None:
        return [dequantization, Rescale(levels / 2, levels)]
    return [dequantization, Logit(logit_alpha, 0.0, levels)]
