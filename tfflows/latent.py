"""What latents show: ways between images, and directions that change an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfflows.models import Flow

_BATCH = 256


def encode(flow: Flow, x: Any, context: Any = None) -> np.ndarray:
    """Latents of many examples, batch by batch.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      context: None or `[N, ...]`.

    Returns:
      `[N, D]`.
    """
    return _in_batches(flow.encode, x, context)


def reconstruct(flow: Flow, x: Any, context: Any = None) -> np.ndarray:
    """decode(encode(x)) `[N, *event]`: x itself, up to rounding of floats."""
    return _in_batches(flow.decode, encode(flow, x, context), context)


def interpolate(
    flow: Flow,
    x_a: Any,
    x_b: Any,
    weights: Sequence[float] | np.ndarray,
    context: Any = None,
) -> np.ndarray:
    """Images on the straight line between two images' latents.

    Args:
      flow: An initialised flow.
      x_a: One example `[*event]`, in raw units.
      x_b: Another one.
      weights: W numbers; 0 gives x_a, 1 gives x_b.
      context: None, or one context for both.

    Returns:
      `[W, *event]` in raw units, not clipped.
    """
    _check_event(flow, x_a, "x_a")
    _check_event(flow, x_b, "x_b")
    z_a, z_b = encode(flow, np.stack([x_a, x_b]), _repeat(context, 2))
    share = np.asarray(weights, z_a.dtype)[:, np.newaxis]  # [W, 1]
    z = (1 - share) * z_a + share * z_b
    return _in_batches(flow.decode, z, _repeat(context, len(z)))


def attribute_direction(
    flow: Flow, x: Any, has_attribute: Any, context: Any = None
) -> np.ndarray:
    """The direction of an attribute: mean latent with it minus mean latent without.

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, section 6.2.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      has_attribute: `[N]` of booleans (or 0 and 1).
      context: None or `[N, ...]`.

    Returns:
      `[D]`.

    Raises:
      ValueError: For labels of another shape or kind, or all of them equal.
    """
    mask = np.asarray(has_attribute)
    if mask.shape != (len(x),) or not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"expected a boolean for each of the {len(x)} examples, got {mask.dtype} "
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
    flow: Flow, x: Any, labels: Any, from_class: int, to_class: int
) -> np.ndarray:
    """The direction from one class to another: the difference of their mean latents.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      labels: Integers `[N]`.
      from_class: A class among them.
      to_class: Another one.

    Returns:
      `[D]`.
    """
    labels = np.asarray(labels)
    chosen = np.isin(labels, (from_class, to_class))
    return attribute_direction(flow, np.asarray(x)[chosen], labels[chosen] == to_class)


def manipulate(
    flow: Flow,
    x: Any,
    direction: Any,
    strengths: Sequence[float],
    context: Any = None,
) -> np.ndarray:
    """Images moved along a direction of the latents.

    Args:
      flow: An initialised flow.
      x: Raw data `[N, *event]`.
      direction: `[D]`, for example an `attribute_direction`.
      strengths: S numbers; 0 reproduces the image, 1 adds the whole direction.
      context: None or `[N, ...]`.

    Returns:
      `[N, S, *event]` in raw units, not clipped.
    """
    direction = np.asarray(direction)
    if direction.shape != (flow.latent_dim,):
        raise ValueError(
            f"expected a direction of shape ({flow.latent_dim},), got {direction.shape}"
        )
    moves = np.asarray(strengths, direction.dtype)[:, np.newaxis] * direction
    z = encode(flow, x, context)
    moved = z[:, np.newaxis] + moves
    flat = moved.reshape(-1, flow.latent_dim)
    if context is not None:
        context = np.repeat(np.asarray(context), len(moves), axis=0)
    decoded = _in_batches(flow.decode, flat, context)
    return decoded.reshape(len(z), len(moves), *flow.event_shape)


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


def _check_event(flow: Flow, x: Any, name: str) -> None:
    if tuple(np.shape(x)) != flow.event_shape:
        raise ValueError(
            f"expected {name} of shape {flow.event_shape}, got {np.shape(x)}"
        )
