"""The bins of a monotone spline, and a search for the bin of a value.

All operations are element-wise, on lists of tensors of one shape, one for each bin or
knot: sums and choices over an axis of bins take several times as long on CPUs.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf

Tensors = list[tf.Tensor]

# Minimum bin as a fraction of the average: keeps the spline monotone in float32.
_MIN_SHARE = 1e-2


class Bins:
    """The bins of one axis, from -bound to bound, whose sizes are a softmax.

    Sizes and their sums have their own units. `length` and `position` convert them to
    the axis' units, so that only the tensors of the found bin are scaled.

    Args:
      logits: Logits of the softmax, one tensor for each bin.
      bound: Half the length of the axis, one or one for each element.
    """

    def __init__(self, logits: Tensors, bound: Any) -> None:
        largest = tf.stop_gradient(functools.reduce(tf.maximum, logits))
        weights = [tf.exp(logit - largest) for logit in logits]
        total = _sum(weights)
        least = total * (_MIN_SHARE / (1.0 - _MIN_SHARE) / len(logits))
        self.sizes = [weight + least for weight in weights]
        self._unit = 2.0 * bound * (1.0 - _MIN_SHARE) / total
        self._bound = bound

    def length(self, size: tf.Tensor) -> tf.Tensor:
        """Returns the length of a size, or of a sum of sizes."""
        return size * self._unit

    def position(self, below: tf.Tensor) -> tf.Tensor:
        """Returns the position of a knot, given the sum of the sizes below it."""
        return below * self._unit - self._bound

    def sum_at(self, position: tf.Tensor) -> tf.Tensor:
        """Inverts `position`."""
        return (position + self._bound) / self._unit


def find_bin(
    value: tf.Tensor, bins: Bins, others: Bins, knots: Tensors
) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor], Tensors]:
    """Finds the bin of each value by bisection.

    Args:
      value: Positions on the axis of `bins`, from -bound to bound.
      bins: The bins to search.
      others: The same bins on the other axis.
      knots: Parameters of the slopes, one tensor for each knot.

    Returns:
      Lower knot and length on the value's axis, the same on the other axis, and the
      parameters of the slopes at both ends.
    """
    sought = bins.sum_at(value)
    below = other_below = tf.zeros_like(value)
    sizes, other_sizes = bins.sizes, others.sizes
    while len(sizes) > 1:
        # Halves of an odd number overlap, so rounding errs by at most one bin.
        skipped = len(sizes) // 2
        here = below + _sum(sizes[:skipped])
        is_above = sought >= here
        below = tf.where(is_above, here, below)
        other_here = other_below + _sum(other_sizes[:skipped])
        other_below = tf.where(is_above, other_here, other_below)
        sizes = _halve(is_above, sizes, skipped)
        other_sizes = _halve(is_above, other_sizes, skipped)
        knots = _halve(is_above, knots, skipped)
    return (
        (bins.position(below), bins.length(sizes[0])),
        (others.position(other_below), others.length(other_sizes[0])),
        knots,
    )


def _halve(is_above: tf.Tensor, items: Tensors, skipped: int) -> Tensors:
    """Drops the first `skipped` items if above, else the last ones."""
    pairs = zip(items[skipped:], items, strict=False)
    return [tf.where(is_above, above, below) for above, below in pairs]


def _sum(items: Tensors) -> tf.Tensor:
    return functools.reduce(tf.add, items)
