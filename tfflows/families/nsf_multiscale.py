"""Neural spline flows on images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfflows.backend.arguments import check_count, check_flag, check_unused
from tfflows.backend.policy import DType
from tfflows.bijectors import (
    ActNorm,
    Chain,
    FlowStep,
    Invert,
    Invertible1x1Conv,
    Multiscale,
    RationalQuadraticCoupling,
)
from tfflows.families.declare import Backprop, Base, family
from tfflows.families.parts.glow_levels import image_context, squeezed_levels
from tfflows.families.parts.image import check_images, image_base, image_preprocessing
from tfflows.models.flow import Flow
from tfflows.networks import ConvResNet


@family
def nsf_multiscale(
    event_shape: Sequence[int],
    *,
    num_steps: int = 7,
    num_levels: int = 3,
    width: int = 96,
    num_blocks: int = 3,
    num_bins: int = 4,
    bound: float = 3.0,
    factor_out: bool = True,
    split_priors: bool = False,
    base: Base = "normal",
    logit_alpha: float | None = None,
    levels: int | None = None,
    n_bits: int | None = None,
    evaluation_draws: int = 1,
    stacked: bool = True,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    backprop: Backprop = "stored",
    dtype: DType = None,
    name: str = "nsf_multiscale",
) -> Flow:
    """Builds a spline flow with Glow's steps for images [H, W, C].

    Each level squeezes, applies its steps (actnorm, 1x1 convolution, channel coupling
    by rational-quadratic splines) and ends in another 1x1 convolution. The couplings'
    networks are residual. Splines act on [-bound, bound] and are the identity outside.
    Integer data are dequantized and scaled to [0, 1], or mapped to the line by a logit.

    Source: Durkan, Bekasov, Murray and Papamakarios, "Neural Spline Flows", 2019,
    arXiv 1906.04032, section 5.3 (RQ-NSF (C)); the defaults are those of the authors'
    code for CIFAR-10 with 8 bits, which factors nothing out. Not as there: weight
    normalization in the networks instead of batch normalization, no dropout, 1x1
    convolutions that start orthogonal.

    Args:
      event_shape: Shape [H, W, C] of one event, H and W divisible by 2^num_levels.
      num_steps: K, the steps of a level.
      num_levels: L.
      width: Channels of each coupling's network.
      num_blocks: Residual blocks of each network.
      num_bins: Bins of each spline.
      bound: Half the length of the splines' interval.
      factor_out: Whether half of the channels becomes latent after each level but the
        last. The authors do so on ImageNet, not on CIFAR-10.
      split_priors: Whether factored-out halves depend on the kept ones, as in `glow`.
      logit_alpha: Alpha of the logit of integer data; None scales them to [0, 1].
      n_bits: Bits to keep of integer data; None: all.
      context_shape: Shape of a conditional model's context, see `Flow`. All couplings
        see the context or its embedding, which is an image or a vector. An image larger
        than a level is averaged to its size, a smaller one repeated.
      context_network: See `Flow`.

    Returns:
      The model.

    Raises:
      ValueError: If the levels cannot halve the sides, or an argument is out of range.
    """
    check_images(event_shape, num_levels, squeeze_last=True)
    check_count("num_steps", num_steps)
    context = image_context(context_shape, context_dtype, context_network, event_shape)

    def step(_: int) -> FlowStep:
        network = ConvResNet(width, num_blocks, context.dim, pointwise_input=True)
        spline = RationalQuadraticCoupling(
            network, "channel", num_bins=num_bins, bound=bound, head="pointwise"
        )
        # On the way to the latents, which training goes, values are cheaper than roots.
        parts = [ActNorm(), Invertible1x1Conv(), Invert(spline, event_ndims=3)]
        return Chain(parts, event_ndims=3)

    stacks = check_flag("stacked", stacked)
    chains = [
        Chain([*steps, Invertible1x1Conv()])
        for steps in squeezed_levels(step, num_steps, num_levels, stacked=stacks)
    ]
    flow: FlowStep
    if check_flag("factor_out", factor_out):
        flow = Multiscale(chains, split_priors=split_priors)
    else:
        check_unused("split_priors", split_priors, [False], "factor_out")
        flow = Chain(chains, event_ndims=3)
    return Flow(
        flow,
        event_shape,
        image_base(base, event_shape, flow.flow_dtype),
        image_preprocessing(levels, n_bits, logit_alpha, evaluation_draws),
        backprop,
        name=name,
        **context.arguments,
    )
