"""Glow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tfflows.backend.arguments import check_count, check_flag, check_number, check_word
from tfflows.backend.policy import DType
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
)
from tfflows.families.declare import Backprop, Base, LogScale, family
from tfflows.families.parts.context import BuilderContext
from tfflows.families.parts.glow_levels import image_context, squeezed_levels
from tfflows.families.parts.image import check_images, image_base, image_preprocessing
from tfflows.models.classifying_flow import ClassifyingFlow
from tfflows.models.flow import Flow
from tfflows.networks import ConvNet

Permutation = Literal["conv", "reverse", "shuffle"]
Couplings = Literal["affine", "additive"]
_LOG_SCALE: LogScale = "sigmoid"


@family
def glow(
    event_shape: Sequence[int],
    *,
    num_steps: int = 32,
    num_levels: int = 3,
    width: int = 512,
    coupling: Couplings = "affine",
    log_scale: LogScale = _LOG_SCALE,
    permutation: Permutation = "conv",
    split_priors: bool = True,
    num_classes: int | None = None,
    classifier_weight: float = 0.0,
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
    name: str = "glow",
) -> Flow:
    """Builds Glow for images [H, W, C] of integers or continuous values.

    Each level squeezes and applies its steps (actnorm, permutation of channels, channel
    coupling). All levels but the last factor out half of the channels. Integer data are
    dequantized and scaled to [0, 1], or mapped to the line by a logit. With
    `num_classes`, the last level ends in an affine map chosen by the label, the paper's
    class-conditional top prior. `context` is then an integer label `[B]`, and a
    classifier may be trained, too.

    Source: Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1
    Convolutions", 2018, arXiv 1807.03039; section 5 and the authors' code for the
    defaults.

    Args:
      event_shape: Shape [H, W, C] of one event, H and W divisible by 2^num_levels.
      num_steps: K, the steps of a level.
      num_levels: L.
      width: Hidden channels of each coupling's network.
      coupling: "affine" or "additive".
      permutation: "conv" (1x1 convolutions), "reverse" or "shuffle" (fixed).
      split_priors: Whether factored-out halves depend on the kept ones.
      num_classes: Number of classes of a class-conditional model, or None.
      classifier_weight: Weight of the loss of a classifier on the last level's output,
        see `ClassifyingFlow`. The authors use 0.01. 0: no classifier.
      logit_alpha: Alpha of the logit of integer data; None scales them to [0, 1], as in
        the paper. A small alpha (1e-6) gives a dark background, a single level of many,
        as much room as the rest.
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
    check_number("classifier_weight", classifier_weight, least=0.0)
    if classifier_weight and num_classes is None:
        raise ValueError(
            f"expected num_classes with classifier_weight={classifier_weight}, got none"
        )
    if num_classes is None:
        context = image_context(
            context_shape, context_dtype, context_network, event_shape
        )
    else:
        context = _class_context(context_shape, context_dtype, context_network)

    def step(seed: int) -> FlowStep:
        parts = [
            ActNorm(),
            _permutation(permutation, seed),
            _coupling(coupling, width, log_scale, context.dim),
        ]
        return Chain(parts, event_ndims=3)

    # Shuffles of different steps differ by more than weights.
    stacks = check_flag("stacked", stacked) and permutation != "shuffle"
    chains = squeezed_levels(step, num_steps, num_levels, stacked=stacks)
    if num_classes is not None:
        chains[-1].append(ClassAffine(num_classes))
    flow = Multiscale(
        [Chain(chain) for chain in chains],
        split_priors=split_priors,
    )
    parts: dict[str, Any] = {
        "bijector": flow,
        "event_shape": event_shape,
        "base": image_base(base, event_shape, flow.flow_dtype),
        "preprocessing": image_preprocessing(
            levels, n_bits, logit_alpha, evaluation_draws
        ),
        "backprop": backprop,
        **context.arguments,
        "name": name,
    }
    if classifier_weight:
        return ClassifyingFlow(classifier_weight=classifier_weight, **parts)
    return Flow(**parts)


def _permutation(permutation: Permutation, seed: int) -> FlowStep:
    if check_word("permutation", permutation, Permutation) == "conv":
        return Invertible1x1Conv()
    if permutation == "reverse":
        return Permute("reverse")
    return Permute("shuffle", seed=seed)


def _coupling(
    coupling: Couplings, width: int, log_scale: LogScale, context_dim: int | None
) -> FlowStep:
    network = ConvNet(width, context_dim)
    parts: dict[str, Any] = {"mask": "channel", "head": "glow"}
    if check_word("coupling", coupling, Couplings) == "affine":
        # As in the authors' code, the scale multiplies on the way to the latents. The
        # sigmoid keeps this direction, which training uses, from blowing up.
        affine = AffineCoupling(network, log_scale=log_scale, **parts)
        return Invert(affine, event_ndims=3)
    if log_scale != _LOG_SCALE:
        raise ValueError(
            "expected log_scale with coupling='affine' only, got "
            f"log_scale={log_scale!r} with coupling='additive'"
        )
    return AdditiveCoupling(network, **parts)


def _class_context(shape: Any, dtype: Any, network: Any) -> BuilderContext:
    """Returns the context of a class-conditional top prior: the label itself."""
    if shape not in (None, ()) or network is not None:
        raise ValueError(
            "expected no other context with num_classes, whose context is the label, "
            f"got context_shape={shape} and context_network={network}; leave out "
            "num_classes, and embed the label with the rest in a context_network"
        )
    arguments = {"context_shape": (), "context_dtype": dtype, "context_network": None}
    return BuilderContext(None, (), arguments)
