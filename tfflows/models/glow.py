"""Glow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
from tfflows.checks import check_count
from tfflows.models.classifying_flow import ClassifyingFlow
from tfflows.models.flow import Flow
from tfflows.models.image import check_images, image_base, image_preprocessing
from tfflows.networks import ConvNet

_PERMUTATIONS = ("conv", "reverse", "shuffle")


def glow(
    event_shape: Sequence[int],
    *,
    num_steps: int = 32,
    num_levels: int = 3,
    width: int = 512,
    coupling: str = "affine",
    log_scale: str = "sigmoid",
    permutation: str = "conv",
    split_priors: bool = True,
    num_classes: int | None = None,
    classifier_weight: float = 0.0,
    base: str = "normal",
    logit_alpha: float | None = None,
    levels: int | None = None,
    n_bits: int | None = None,
    evaluation_draws: int = 1,
    backprop: str = "stored",
    dtype: Any = None,
    name: str = "glow",
) -> Flow:
    """Glow on images [H, W, C], integers of some levels or continuous.

    Each of the levels squeezes, applies its steps (actnorm, permutation of channels,
    channel coupling), and all but the last factor half of the channels out. Integer
    data are dequantized and scaled to [0, 1], or mapped to the line by a logit. With
    classes, the last level ends in an affine map chosen by the label, the paper's
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
    if classifier_weight and num_classes is None:
        raise ValueError(
            f"expected num_classes with classifier_weight={classifier_weight}, got none"
        )

    def step(seed: int) -> FlowStep:
        parts = [
            ActNorm(dtype=dtype),
            _permutation(permutation, seed, dtype),
            _coupling(coupling, width, log_scale, dtype),
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
        "context_shape": None if num_classes is None else (),
        "name": name,
        "dtype": dtype,
    }
    if classifier_weight:
        return ClassifyingFlow(classifier_weight=classifier_weight, **parts)
    return Flow(**parts)


def _permutation(permutation: str, seed: int, dtype: Any) -> FlowStep:
    if permutation == "conv":
        return Invertible1x1Conv(dtype=dtype)
    if permutation == "reverse":
        return Permute("reverse", dtype=dtype)
    if permutation == "shuffle":
        return Permute("shuffle", seed=seed, dtype=dtype)
    raise ValueError(f"expected a permutation of {_PERMUTATIONS}, got {permutation!r}")


def _coupling(coupling: str, width: int, log_scale: str, dtype: Any) -> FlowStep:
    network = ConvNet(width, dtype=dtype)
    parts: dict[str, Any] = {"mask": "channel", "head": "glow", "dtype": dtype}
    if coupling == "affine":
        # As in the authors' code, the scale multiplies on the way to the latents: the
        # sigmoid's keeps that way, which training takes, from blowing up.
        affine = AffineCoupling(network, log_scale=log_scale, **parts)
        return Invert(affine, event_ndims=3, dtype=dtype)
    if coupling == "additive":
        return AdditiveCoupling(network, **parts)
    raise ValueError(f"expected a coupling 'affine' or 'additive', got {coupling!r}")
