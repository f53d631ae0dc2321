"""Flow++."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras

from tfflows.backend.arguments import (
    check_count,
    check_counts,
    check_flag,
    check_unused,
    check_word,
)
from tfflows.backend.policy import DType
from tfflows.bijectors import (
    ActNorm,
    Chain,
    FlowStep,
    Invert,
    Invertible1x1Conv,
    MixtureLogisticCoupling,
    Squeeze,
)
from tfflows.distributions import StandardLogistic
from tfflows.families.declare import Backprop, Base, family
from tfflows.families.parts.context import builder_context
from tfflows.families.parts.image import (
    LOGIT_ALPHA,
    check_images,
    image_base,
    image_preprocessing,
)
from tfflows.families.parts.stacking import repeated
from tfflows.models.flow import Flow
from tfflows.networks import ConvResNet, GatedAttentionNet
from tfflows.preprocessing import Logit, VariationalDequantization

Noise = Literal["variational", "uniform"]
_NOISE = {"noise_couplings": 4, "noise_blocks": 2, "noise_width": None}


@family
def flowpp(
    event_shape: Sequence[int],
    *,
    couplings_per_part: Sequence[int] = (4, 2, 3),
    num_components: int = 32,
    width: int = 96,
    num_blocks: int = 10,
    num_heads: int = 4,
    noise: Noise = "variational",
    noise_couplings: int = 4,
    noise_blocks: int = 2,
    noise_width: int | None = None,
    logit_alpha: float = LOGIT_ALPHA,
    base: Base = "normal",
    levels: int | None = None,
    n_bits: int | None = None,
    evaluation_draws: int = 1,
    stacked: bool = True,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    backprop: Backprop = "stored",
    dtype: DType = None,
    name: str = "flowpp",
) -> Flow:
    """Flow++ on images [H, W, C], integers of some levels or continuous.

    Couplings by logistic mixtures, whose networks are gated convolutions with
    self-attention; an ActNorm and, of more than one channel, an invertible 1x1
    convolution stand before each. The first couplings split columns, then a squeeze
    halves the sides, the next split channels and the last columns again; halves
    alternate. Noise of integer data comes from a conditional flow of the same couplings
    (`VariationalDequantization`), uniform at the start; the dequantized data are mapped
    to the line by a logit.

    Densities take one pass. Samples take an iteration at each coupling.

    Source: Ho, Chen, Srinivas, Duan and Abbeel, "Flow++: Improving Flow-Based
    Generative Models with Variational Dequantization and Architecture Design", 2019,
    arXiv 1902.00275, section 3; the defaults are those of the authors' code for
    CIFAR-10. Not as there: no dropout, no start of the networks from data, ActNorms of
    channels instead of elements, and one 1x1 convolution for both halves.

    Args:
      event_shape: Shape [H, W, C] of one event, H divisible by 2 and W by 4.
      couplings_per_part: Numbers of couplings: of columns, after the squeeze of
        channels, and of columns again.
      num_components: Logistics per element in each mixture.
      width: Channels of the couplings' networks.
      num_blocks: Blocks of each network.
      num_heads: Heads of the attention; they divide the widths.
      noise: "variational", or "uniform" in [0, 1).
      noise_couplings: Number of couplings of the noise's flow.
      noise_blocks: Blocks of their networks.
      noise_width: Their channels; None: `width`.
      logit_alpha: Alpha of the logit of integer data.
      n_bits: None, or the bits to keep of integer data.
      evaluation_draws: Draws of noise that `evaluate` joins, of variational noise as
        importance samples.
      context_shape: Shape of the context of a conditional model, as in `Flow`: an image
        or a vector, which all couplings see, or what context_network embeds as one. A
        larger image is averaged to the size of a part, a smaller one repeated.
      context_network: As in `Flow`.

    Returns:
      The model.

    Raises:
      ValueError: For sides that cannot be halved, or parts out of range.
    """
    _check_shape(event_shape)
    numbers = check_counts("couplings_per_part", couplings_per_part)
    if len(numbers) != 3:
        raise ValueError(
            "expected couplings_per_part as three numbers, of columns, channels and "
            f"columns, got {couplings_per_part!r}"
        )
    context = builder_context(
        context_shape, context_dtype, context_network, images=True
    )

    def couplings(mask: str, number: int, channels: int) -> list[FlowStep]:
        def part(k: int) -> list[FlowStep]:
            network = GatedAttentionNet(width, num_blocks, num_heads, context.dim)
            mixing = [Invertible1x1Conv()] if channels > 1 else []
            step = _coupling(network, mask, k, num_components)
            return [ActNorm(event_ndims=3), *mixing, step]

        return repeated(part, number, period=2, stacked=check_flag("stacked", stacked))

    channels = event_shape[-1]
    steps = [
        *couplings("columns", numbers[0], channels),
        Squeeze(),
        *couplings("channel", numbers[1], 4 * channels),
        *couplings("columns", numbers[2], 4 * channels),
    ]
    flow = Chain(steps, event_ndims=3)
    preprocessing = image_preprocessing(levels, n_bits, logit_alpha, evaluation_draws)
    told = {
        "noise_couplings": noise_couplings,
        "noise_blocks": noise_blocks,
        "noise_width": noise_width,
    }
    if check_word("noise", noise, Noise) == "uniform" or levels is None:
        for key, value in told.items():
            check_unused(key, value, [_NOISE[key]], "levels and variational noise")
    else:
        preprocessing[0] = VariationalDequantization(
            _noise_flow(
                event_shape,
                check_count("noise_couplings", noise_couplings),
                width=width if noise_width is None else noise_width,
                num_blocks=noise_blocks,
                num_heads=num_heads,
                num_components=num_components,
                stacked=stacked,
            ),
            levels,
            n_bits,
            evaluation_draws=evaluation_draws,
        )
    return Flow(
        flow,
        event_shape,
        image_base(base, event_shape, flow.flow_dtype),
        preprocessing,
        backprop,
        name=name,
        **context.arguments,
    )


def _check_shape(event_shape: Sequence[int]) -> None:
    check_images(event_shape, 1, squeeze_last=True)
    if event_shape[1] % 4:
        raise ValueError(
            "expected a width divisible by 4, whose half is split into columns, got "
            f"{event_shape[1]}; what works: images padded or cut to a width of "
            f"{max(4, 4 * round(event_shape[1] / 4))}"
        )


def _coupling(
    network: keras.layers.Layer, mask: str, k: int, num_components: int
) -> FlowStep:
    return MixtureLogisticCoupling(
        network,
        mask,
        num_components=num_components,
        reverse=bool(k % 2),
        event_ndims=3,
    )


def _noise_flow(
    event_shape: Sequence[int],
    number: int,
    *,
    width: int,
    num_blocks: int,
    num_heads: int,
    num_components: int,
    stacked: bool,
) -> Flow:
    """The flow of u given x, which is quick to draw from, uniform at the start."""
    # As in the authors' code: 32 channels and 3 blocks beside 96 and 2.
    context_width = max(check_count("noise_width", width) // 3, 4)

    def part(k: int) -> list[FlowStep]:
        network = GatedAttentionNet(width, num_blocks, num_heads, context_width)
        # Inverted: one pass from latents to u.
        return [Invert(_coupling(network, "columns", k, num_components))]

    flow = Chain(repeated(part, number, period=2, stacked=stacked), event_ndims=3)
    height, columns, channels = event_shape
    # Pairs of columns become channels: the size that the couplings' networks see.
    pairs = keras.layers.Reshape((height, columns // 2, 2 * channels))
    image = keras.Sequential([pairs, ConvResNet(context_width, num_blocks + 1)])
    size = math.prod(event_shape)
    return Flow(
        flow,
        event_shape,
        StandardLogistic(size, dtype=flow.flow_dtype),
        Logit(),
        context_shape=event_shape,
        context_network=image,
        name="noise",
    )
