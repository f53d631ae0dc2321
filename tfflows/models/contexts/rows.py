"""Checks that a batch has one context for all rows, or one for each."""

from __future__ import annotations

import tensorflow as tf

from tfflows.backend.checks import require

Shape = tuple[int | None, ...]


def one_or_each(
    context: tf.Tensor,
    shape: Shape,
    static: tf.TensorShape,
    batch: tf.Tensor,
    name: str,
) -> tf.Tensor:
    """Checks the rule of `Conditioning`; returns a context of known rank.

    Args:
      context: `[*shape]`, one for all rows, or `[..., *shape]`, one for each row, where
        some of several leading axes may have size 1.
      shape: Shape of one context.
      static: The batch's leading axes, as far as they are known.
      batch: Their sizes.
      name: The model that expects it.

    Raises:
      ValueError: If the context has another shape. In a graph, InvalidArgumentError for
        sizes that are known only when it runs.
    """
    if context.shape.rank is None:
        context = _of_known_rank(context, len(shape), batch, name)
    _check_shape(context, shape, static, name)
    leading = context.shape.rank - len(shape)
    return _checked_sizes(context, shape, batch[:leading], name)


def _check_shape(
    context: tf.Tensor, shape: Shape, batch: tf.TensorShape, name: str
) -> None:
    """Raises ValueError if the static shape does not fit the batch."""
    given, leading = context.shape, context.shape.rank - len(shape)
    fits = leading in (0, batch.rank) and given[leading:].is_compatible_with(shape)
    if fits and leading:
        wanted = [
            None if size == 1 and leading > 1 else own
            for size, own in zip(given[:leading], batch, strict=True)
        ]
        fits = given[:leading].is_compatible_with(wanted)
    if not fits:
        each = f" for all rows or {tuple(batch.concatenate(shape))} for each"
        raise ValueError(
            f"{name}: expected a context of shape {tuple(shape)}"
            f"{each if batch.rank else ''}, got {tuple(given)}"
        )


def _checked_sizes(
    context: tf.Tensor, shape: Shape, batch: tf.Tensor, name: str
) -> tf.Tensor:
    """Checks the leading sizes that were not static; returns the context."""
    ndims, sizes = batch.shape[0], tf.shape(context)
    # If sizes are not static, one row for many values would broadcast.
    with require(_same(sizes[:ndims], batch), _wanted(name)):
        context = tf.identity(context)
    static = context.shape[:ndims].concatenate(shape)
    if None not in shape:
        return tf.ensure_shape(context, static)
    filled = tf.reduce_all(sizes[ndims:] > 0)
    message = f"{name}: expected a context of one element or more, got an empty one"
    with require(filled, message):
        return tf.ensure_shape(tf.identity(context), static)


def _of_known_rank(
    context: tf.Tensor, own_ndims: int, batch: tf.Tensor, name: str
) -> tf.Tensor:
    """Returns one context for each row, given a context of unknown rank."""
    sizes = tf.shape(context)
    leading = tf.size(sizes) - own_ndims
    known = tf.equal(leading, 0) | tf.equal(leading, tf.size(batch))
    with require(known, _wanted(name)):
        sizes = tf.identity(sizes)
    own = tf.ensure_shape(sizes[leading:], (own_ndims,))
    # A context for all rows gets leading ones.
    front = tf.concat([tf.ones_like(batch), sizes[:leading]], axis=0)[leading:]
    front = tf.ensure_shape(front, batch.shape)
    with require(tf.equal(leading, 0) | _same(front, batch), _wanted(name)):
        context = tf.reshape(context, tf.concat([front, own], axis=0))
    return tf.broadcast_to(context, tf.concat([batch, own], axis=0))


def _same(sizes: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Returns whether leading sizes equal the batch's or, with several axes, are 1."""
    same = tf.equal(sizes, batch)
    if batch.shape[0] > 1:
        same |= tf.equal(sizes, 1)
    return tf.reduce_all(same)


def _wanted(name: str) -> str:
    return f"{name}: expected one context for each row, or one for all"
