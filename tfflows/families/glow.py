"""Glow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfflows.backend.arguments import check_count, check_number, check_word
from tfflows.bijectors import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    ClassAffine,
    FlowStep,
    Invert,
    Invertible1x1Conv,
    Multiscale,
    Permute,
    Repeated,
    Squeeze,
)
from tfflows.families.context import BuilderContext, builder_context
from tfflows.families.image import check_images, image_base, image_preprocessing
from tfflows.models.classifying_flow import ClassifyingFlow
from tfflows.models.flow import Flow
from tfflows.networks import ConvNet
from tfflows.networks.image_context import BlocksToChannels

_PERMUTATIONS = ("conv", "reverse", "shuffle")
_COUPLINGS = ("affine", "additive")
_LOG_SCALE = "sigmoid"


def glow(
    event_shape: Sequence[int],
    *,
    num_steps: int = 32,
    num_levels: int = 3,
    width: int = 512,
    coupling: str = "affine",
    log_scale: str = _LOG_SCALE,
    permutation: str = "conv",
    split_priors: bool = True,
    num_classes: int | None = None,
    classifier_weight: float = 0.0,
    base: str = "normal",
    logit_alpha: float | None = None,
    levels: int | None = None,
    n_bits: int | None = None,
    evaluation_draws: int = 1,
    context_shape: int | Sequence[int | None] | None = None,
    context_dtype: Any = None,
    context_network: Any = None,
    backprop: str = "stored",
    dtype: Any = None,
    name: str = "glow",
) -> Flow:
    """Glow on images [H, W, C], integers of some levels or continuous.

    Each of the levels squeezes, applies its steps (actnorm, permutation of channels,
    channel coupling), and all but the last factor half of the channels out. Integer
    data are dequantized and scaled to [0, 1], or mapped to the line by a logit. With
    `num_classes`, the last level ends in an affine map chosen by the label, the paper's
    class-conditional top prior: `context` is then an integer label `[B]`. A classifier
    may learn beside it.

    Source: Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1
    Convolutions", 2018, arXiv 1807.03039; section 5 and the authors' code for the
    defaults.

    Args:
      event_shape: Shape [H, W, C] of one event, H and W divisible by 2^num_levels.
      num_steps: K, steps in a level.
      num_levels: L.
      width: Hidden channels of each coupling's network.
      coupling: "affine" or "additive".
      log_scale: That of affine couplings, see `AffineLaw`.
      permutation: "conv" (1x1 convolutions), "reverse" or "shuffle" (fixed).
      split_priors: Whether factored-out halves depend on the kept ones.
      num_classes: Number of classes of a class-conditional model, or None.
      classifier_weight: With classes, the weight of a loss by which the last level's
        output tells the class, see `ClassifyingFlow`; the authors' is 0.01. 0: none.
      base: "normal", or "logistic" for tails that forgive a single pixel.
      logit_alpha: None for integer data scaled to [0, 1], as in the paper, or the alpha
        of their logit: a small one (1e-6) gives a dark background, a single level of
        many, as much room as the rest.
      levels: Number of levels of integer data; None for continuous data.
      n_bits: None, or the bits to keep of integer data.
      evaluation_draws: Draws of dequantization noise that `evaluate` averages.
      context_shape: Shape of the context of a conditional model, as in `Flow`: an image
        or a vector, which all couplings see, or what context_network embeds as one. A
        larger image is averaged to the size of a level, a smaller one repeated.
      context_dtype: As in `Flow`.
      context_network: As in `Flow`.
      backprop: "stored", "remat" or "reversible", see `Flow`.
      dtype: Keras dtype policy.
      name: Name of the model.

    Returns:
      The model.

    Raises:
      ValueError: For sides that the levels cannot halve, or parts out of range.
    """
    check_images(event_shape, num_levels, squeeze_last=True)
    check_count("num_steps", num_steps)
    check_number("classifier_weight", classifier_weight, least=0.0)
    if classifier_weight and num_classes is None:
        raise ValueError(
            f"expected num_classes with classifier_weight={classifier_weight}, got none"
        )
    if num_classes is None:
        context = _image_context(
            context_shape, context_dtype, context_network, event_shape, dtype
        )
    else:
        context = _class_context(context_shape, context_dtype, context_network)

    def step(seed: int) -> FlowStep:
        parts = [
            ActNorm(dtype=dtype),
            _permutation(permutation, seed, dtype),
            _coupling(coupling, width, log_scale, context.dim, dtype),
        ]
        return Chain(parts, event_ndims=3, dtype=dtype)

    def steps(level: int) -> FlowStep:
        if permutation != "shuffle":
            return Repeated(step(0), num_steps, dtype=dtype)
        # Shuffles differ from step to step, not in weights.
        first = level * num_steps
        return Chain([step(first + k) for k in range(num_steps)], dtype=dtype)

    chains: list[list[FlowStep]] = [
        [Squeeze(dtype=dtype), steps(level)] for level in range(num_levels)
    ]
    if num_classes is not None:
        chains[-1].append(ClassAffine(num_classes, dtype=dtype))
    flow = Multiscale(
        [Chain(chain, dtype=dtype) for chain in chains],
        split_priors=split_priors,
        dtype=dtype,
    )
    parts: dict[str, Any] = {
        "bijector": flow,
        "event_shape": event_shape,
        "base": image_base(base, event_shape, flow.flow_dtype),
        "preprocessing": image_preprocessing(
            levels, n_bits, logit_alpha, evaluation_draws, dtype
        ),
        "backprop": backprop,
        **context.arguments,
        "name": name,
        "dtype": dtype,
    }
    if classifier_weight:
        return ClassifyingFlow(classifier_weight=classifier_weight, **parts)
    return Flow(**parts)


def _permutation(permutation: str, seed: int, dtype: Any) -> FlowStep:
    if check_word("permutation", permutation, _PERMUTATIONS) == "conv":
        return Invertible1x1Conv(dtype=dtype)
    if permutation == "reverse":
        return Permute("reverse", dtype=dtype)
    return Permute("shuffle", seed=seed, dtype=dtype)


def _coupling(
    coupling: str, width: int, log_scale: str, context_dim: int | None, dtype: Any
) -> FlowStep:
    network = ConvNet(width, context_dim, dtype=dtype)
    parts: dict[str, Any] = {"mask": "channel", "head": "glow", "dtype": dtype}
    if check_word("coupling", coupling, _COUPLINGS) == "affine":
        # As in the authors' code, the scale multiplies on the way to the latents: the
        # sigmoid's keeps that way, which training takes, from blowing up.
        affine = AffineCoupling(network, log_scale=log_scale, **parts)
        return Invert(affine, event_ndims=3, dtype=dtype)
    if log_scale != _LOG_SCALE:
        raise ValueError(
            "expected log_scale with coupling='affine' only, got "
            f"log_scale={log_scale!r} with coupling='additive'"
        )
    return AdditiveCoupling(network, **parts)


def _class_context(shape: Any, dtype: Any, network: Any) -> BuilderContext:
    """The context of a class-conditional top prior: the label itself."""
    if shape not in (None, ()) or network is not None:
        raise ValueError(
            "expected no other context with num_classes, whose context is the label, "
            f"got context_shape={shape} and context_network={network}; leave out "
            "num_classes, and embed the label with the rest in a context_network"
        )
    arguments = {"context_shape": (), "context_dtype": dtype, "context_network": None}
    return BuilderContext(None, (), arguments)


def _image_context(
    shape: Any, dtype: Any, network: Any, event_shape: Sequence[int], policy: Any
) -> BuilderContext:
    """The context that the couplings see."""
    context = builder_context(shape, dtype, network, policy, images=True)
    if context.shape is None or context.shape[:-1] != tuple(event_shape)[:-1]:
        return context
    # The first level sees images of half the sides: pixels beside each other become
    # channels, of which no mean is taken.
    layers = [BlocksToChannels()] if network is None else [network, BlocksToChannels()]
    return builder_context(shape, dtype, keras.Sequential(layers), policy, images=True)
