"""Checks data and latents from callers and returns tensors."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows.backend import domains
from tfflows.backend.checks import all_finite, require
from tfflows.bijectors.shapes import as_float


def checked_data(
    x: Any, event_shape: tuple[int, ...], dtype: tf.DType, name: str
) -> tf.Tensor:
    """Returns data `[..., *event]` in the flow's dtype.

    Args:
      x: The data.
      event_shape: Shape of one raw event.
      dtype: The flow's dtype.
      name: The model that expects them.

    Raises:
      ValueError: If the shape is another one or values are not finite numbers.
    """
    x = as_float(x, dtype, name)
    leading = x.shape.rank - len(event_shape)
    wanted = f"data of shape (batch, {', '.join(map(str, event_shape))})"
    if leading < 0 or not x.shape[leading:].is_compatible_with(event_shape):
        raise ValueError(f"{name}: expected {wanted}, got {tuple(x.shape)}")
    # A graph for batches of several shapes knows the sizes only when it runs.
    fits = tf.reduce_all(tf.equal(tf.shape(x)[leading:], event_shape))
    with require(fits, f"{name}: expected {wanted}"):
        x = tf.ensure_shape(tf.identity(x), x.shape[:leading].concatenate(event_shape))
    finite = all_finite(x)
    with require(finite, f"{name}: expected finite data, got NaN or Inf"):
        return tf.identity(x)


def check_rows(
    rows: tf.Tensor, event_shape: tuple[int, ...], what: str, name: str
) -> None:
    """Checks for the shape `[B, *event]`, with one leading axis.

    Args:
      rows: The tensor.
      event_shape: Shape of one event.
      what: What the rows are.
      name: The model that expects them.

    Raises:
      ValueError: If the shape is another one.
    """
    if not rows.shape.is_compatible_with((None, *event_shape)):
        raise ValueError(
            f"{name}: expected {what} of shape (batch, "
            f"{', '.join(map(str, event_shape))}), got {tuple(rows.shape)}"
        )


def checked_latents(z: Any, latent_dim: int, dtype: tf.DType, name: str) -> tf.Tensor:
    """Returns latents `[..., latent_dim]` in the flow's dtype.

    Raises:
      ValueError: If the shape is another one or values are not numbers.
    """
    z = as_float(z, dtype, name)
    if z.shape.rank < 1 or not z.shape[-1:].is_compatible_with([latent_dim]):
        raise ValueError(
            f"{name}: expected latents of shape (batch, {latent_dim}), got "
            f"{tuple(z.shape)}"
        )
    return z


def existing_latents(z: tf.Tensor, log_det: tf.Tensor, name: str) -> tf.Tensor:
    """Returns latents if their log-dets `[...]` show that all of them exist.

    Raises:
      ValueError: If data are outside the range of a step and so have no latents.
    """
    message = (
        f"{name}: expected data inside of the range of each step, got data outside of "
        "it, or on its border, which have no latents"
    )
    with require(~tf.reduce_any(domains.outside(log_det)), message):
        return tf.identity(z)
