"""RealNVP on images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tfflows.backend.arguments import check_count, check_flag, check_word
from tfflows.backend.policy import DType
from tfflows.bijectors import (
    ActNorm,
    AffineCoupling,
    BatchNormalization,
    Chain,
    FlowStep,
    Multiscale,
    Squeeze,
)
from tfflows.families.declare import Backprop, Base, LogScale, family
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.image import (
    LOGIT_ALPHA,
    check_images,
    image_base,
    image_preprocessing,
)
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow
from tfflows.networks import ConvResNet

Normalization = Literal["actnorm", "batch"]


@family
def realnvp_multiscale(
    event_shape: Sequence[int],
    *,
    num_levels: int = 2,
    width: int = 64,
    num_blocks: int = 8,
    log_scale: LogScale = "tanh",
    normalization: Normalization = "actnorm",
    logit_alpha: float = LOGIT_ALPHA,
    base: Base = "normal",
    levels: int | None = None,
    evaluation_draws: int = 1,
    stacked: bool = True,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    backprop: Backprop = "stored",
    dtype: DType = None,
    name: str = "realnvp_multiscale",
) -> Flow:
    """Builds RealNVP for images [H, W, C] of integers or continuous values.

    A level has three couplings with checkerboard masks, a squeeze and three couplings
    with channel masks, and then factors out half of the channels. The last level has
    four checkerboard couplings. Masks alternate. Integer data are dequantized and
    mapped to the line by a logit. The paper normalises coupling outputs and network
    activations by the batch. Here, networks use only weight normalization, and an
    ActNorm before each coupling makes training, evaluation and export compute the same
    map.

    Source: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2016,
    arXiv 1605.08803, sections 3.4 to 3.7 and 4.1; actnorm: arXiv 1807.03039. The
    defaults are the paper's for CIFAR-10.

    Args:
      event_shape: Shape [H, W, C] of one event, H and W divisible by
        2^(num_levels - 1), not both equal to it.
      num_levels: Number of levels.
      width: Hidden channels of the first couplings' networks; each squeeze doubles it.
      num_blocks: Residual blocks of each network.
      normalization: "actnorm" before each coupling, or "batch": a
        `BatchNormalization` after it, as in the paper.
      logit_alpha: Alpha of the logit of integer data.
      context_shape: Shape of a conditional model's context, see `Flow`. All couplings
        see the context or its embedding, which is an image or a vector. An image larger
        than a level is averaged to its size, a smaller one repeated.
      context_network: See `Flow`.

    Returns:
      The model.

    Raises:
      ValueError: If the levels cannot halve the sides, or an argument is out of range.
    """
    check_images(event_shape, num_levels, squeeze_last=False)
    check_word("normalization", normalization, Normalization)
    check_count("width", width)
    context = builder_context(
        context_shape, context_dtype, context_network, images=True
    )

    def couplings(mask: str, number: int, level_width: int) -> list[FlowStep]:
        def coupling(k: int) -> list[FlowStep]:
            network = ConvResNet(level_width, num_blocks, context.dim)
            step = AffineCoupling(
                network,
                mask=mask,
                reverse=bool(k % 2),
                head="weight_norm",
                log_scale=log_scale,
                event_ndims=3,
            )
            if normalization == "batch":
                return [step, BatchNormalization(event_ndims=3)]
            return [ActNorm(event_ndims=3), step]

        stacks = check_flag("stacked", stacked) and normalization != "batch"
        return repeated(coupling, number, period=2, stacked=stacks)

    chains = [
        [
            *couplings("checkerboard", 3, width * 2**level),
            Squeeze(),
            *couplings("channel", 3, width * 2 ** (level + 1)),
        ]
        for level in range(num_levels - 1)
    ]
    chains.append(couplings("checkerboard", 4, width * 2 ** (num_levels - 1)))
    flow = Multiscale(
        [Chain(chain, event_ndims=3) for chain in chains],
        split_priors=False,
    )
    return Flow(
        flow,
        event_shape,
        image_base(base, event_shape, flow.flow_dtype),
        image_preprocessing(levels, None, logit_alpha, evaluation_draws),
        backprop,
        name=name,
        **context.arguments,
    )
