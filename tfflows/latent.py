"""Explores latents: interpolations, and directions that change an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfflows.models import Flow, FlowVAE

_BATCH = 256


def encode(flow: Flow | FlowVAE, x: Any, context: Any = None) -> np.ndarray:
    """Returns the latents of many examples, batch by batch.

    Args:
      flow: An initialised flow, or a VAE, whose latents are those of `encode_mean`.
      x: Raw data `[N, *event]`.
      context: None or `[N, ...]`.

    Returns:
      `[N, D]`.

    Raises:
      ValueError: If the model is neither, the data have another shape, or a VAE is
        given a context.
    """
    if not isinstance(flow, Flow | FlowVAE):
        raise ValueError(
            f"expected a tfflows.Flow or FlowVAE, got {type(flow).__name__}"
        )
    if isinstance(flow, FlowVAE) and context is not None:
        raise ValueError("expected no context with a FlowVAE, which takes none")
    x = np.asarray(x)
    if x.shape[1:] != flow.event_shape:
        wanted = ("number", *(flow.event_shape or ()))
        raise ValueError(
            f"expected data of shape ({', '.join(map(str, wanted))}), got {x.shape}"
        )
    if isinstance(flow, FlowVAE):
        return _in_batches(lambda rows, _: flow.encode_mean(rows), x, None)
    return _in_batches(flow.encode, x, context)


def _decode(flow: Flow | FlowVAE, z: np.ndarray, context: Any) -> np.ndarray:
    if isinstance(flow, FlowVAE):
        return _in_batches(lambda rows, _: flow.decode(rows), z, None)
    return _in_batches(flow.decode, z, context)


def reconstruct(flow: Flow | FlowVAE, x: Any, context: Any = None) -> np.ndarray:
    """Returns decode(encode(x)) `[N, *event]`, of a flow x up to rounding."""
    return _decode(flow, encode(flow, x, context), context)


def interpolate(
    flow: Flow | FlowVAE,
    x_a: Any,
    x_b: Any,
    weights: Sequence[float] | np.ndarray,
    context: Any = None,
) -> np.ndarray:
    """Returns images on the straight line between two images' latents.

    Args:
      flow: An initialised flow.
      x_a: One example `[*event]`, in raw units.
      x_b: Another example.
      weights: W numbers; 0 gives x_a, 1 gives x_b.
      context: None, or one context for both.

    Returns:
      `[W, *event]` in raw units, not clipped.

    Raises:
      ValueError: If images have another shape or weights are not finite numbers.
    """
    share = _numbers(weights, "weights")[:, np.newaxis]  # [W, 1]
    if np.shape(x_a) != np.shape(x_b):
        raise ValueError(
            f"expected two images of one shape, got {np.shape(x_a)} and {np.shape(x_b)}"
        )
    z_a, z_b = encode(flow, np.stack([x_a, x_b]), _repeat(context, 2))
    z = (1 - share) * z_a + share * z_b
    return _decode(flow, z, _repeat(context, len(z)))


def attribute_direction(
    flow: Flow | FlowVAE, x: Any, has_attribute: Any, context: Any = None
) -> np.ndarray:
    """Returns the direction of an attribute: mean latent with it minus mean without it.

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, section 6.2.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      has_attribute: `[N]` of booleans (or 0 and 1).
      context: None or `[N, ...]`.

    Returns:
      `[D]`.

    Raises:
      ValueError: If labels have another shape or kind, or are all equal.
    """
    mask, number = np.asarray(has_attribute), len(np.atleast_1d(np.asarray(x)))
    if mask.shape != (number,) or not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"expected a boolean for each of the {number} examples, got {mask.dtype} "
            f"of shape {mask.shape}"
        )
    mask = mask.astype(bool)
    if mask.all() or not mask.any():
        raise ValueError(
            f"expected examples with and without the attribute, got {int(mask.sum())} "
            f"of {len(mask)} with it"
        )
    z = encode(flow, x, context)
    return z[mask].mean(axis=0) - z[~mask].mean(axis=0)


def class_direction(
    flow: Flow | FlowVAE,
    x: Any,
    labels: Any,
    from_class: int,
    to_class: int,
    context: Any = None,
) -> np.ndarray:
    """Returns the difference between the mean latents of two classes.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      labels: Integers `[N]`.
      from_class: A class among the labels.
      to_class: Another class among the labels.
      context: None or `[N, ...]`.

    Returns:
      `[D]`.

    Raises:
      ValueError: If labels have another shape or lack one of the classes.
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if labels.shape != x.shape[:1]:
        raise ValueError(
            f"expected a label for each of the {len(x)} examples, got shape "
            f"{labels.shape}"
        )
    classes = (from_class, to_class)
    if from_class == to_class or not np.isin(classes, labels).all():
        raise ValueError(
            f"expected two of the classes {np.unique(labels).tolist()}, got {classes}"
        )
    chosen = np.isin(labels, classes)
    context = None if context is None else np.asarray(context)[chosen]
    return attribute_direction(flow, x[chosen], labels[chosen] == to_class, context)


def manipulate(
    flow: Flow | FlowVAE,
    x: Any,
    direction: Any,
    strengths: Sequence[float],
    context: Any = None,
) -> np.ndarray:
    """Returns images moved along a direction in latent space.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      direction: `[D]`, for example an `attribute_direction`.
      strengths: S numbers; 0 reproduces the image, 1 adds the whole direction.
      context: None or `[N, ...]`.

    Returns:
      `[N, S, *event]` in raw units, not clipped.

    Raises:
      ValueError: If the direction has another size, or the direction or strengths are
        not finite numbers.
    """
    z = encode(flow, x, context)
    direction = _numbers(direction, "direction")
    if direction.shape != z.shape[1:]:
        raise ValueError(
            f"expected a direction of shape {z.shape[1:]}, got {direction.shape}"
        )
    moves = _numbers(strengths, "strengths")[:, np.newaxis] * direction
    moved = z[:, np.newaxis] + moves
    flat = moved.reshape(-1, flow.latent_dim)
    if context is not None:
        context = np.repeat(np.asarray(context), len(moves), axis=0)
    decoded = _decode(flow, flat, context)
    return decoded.reshape(len(z), len(moves), *(flow.event_shape or ()))


def _in_batches(function: Any, values: Any, context: Any) -> np.ndarray:
    values = np.asarray(values)
    rows = [slice(k, k + _BATCH) for k in range(0, max(len(values), 1), _BATCH)]
    return np.concatenate(
        [
            function(values[r], None if context is None else np.asarray(context)[r])
            for r in rows
        ]
    )


def _repeat(context: Any, number: int) -> Any:
    if context is None:
        return None
    return np.repeat(np.asarray(context)[np.newaxis], number, axis=0)


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        numbers = np.asarray(values, "float64")
    except (TypeError, ValueError):
        numbers = np.asarray(np.nan)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError(f"expected {name} as a list of finite numbers, got {values}")
    return numbers
