"""Minibatch optimal transport in the graph: which latents go to which data."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# Of the regularization, relative to the mean cost of a pair.
_SMOOTHING = 0.05
_ITERATIONS = 60


def transport_plan(
    x: tf.Tensor, z: tf.Tensor, weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the entropic optimal plan between two batches, by Sinkhorn's iteration.

    The cost is ||x_i - z_j||^2. Rows and columns of the plan sum up to the marginals,
    columns exactly, rows to the iteration's error.

    Args:
      x: `[B, D]`.
      z: `[B, D]`.
      weight: Weights `[B]` of the x, >= 0, or None for equal ones; those of the z are
        equal.

    Returns:
      `[B, B]`: the share of mass that goes from z_j to x_i, of a sum of 1.
    """
    number = tf.cast(tf.shape(x)[0], x.dtype)
    share = tf.ones_like(x[:, 0]) if weight is None else tf.cast(weight, x.dtype)
    share = tf.math.divide_no_nan(share, tf.reduce_sum(share))
    # Shifts do not change the plan, but would count in the mean cost.
    x, z = [part - tf.reduce_mean(part, axis=0) for part in (x, z)]
    squares = [tf.reduce_sum(part**2, axis=1) for part in (x, z)]
    cost = (
        squares[0][:, tf.newaxis] + squares[1] - 2.0 * tf.matmul(x, z, transpose_b=True)
    )
    cost /= _SMOOTHING * tf.maximum(tf.reduce_mean(cost), np.finfo("float32").tiny)
    # Of each row and column the best pair has the kernel 1: none underflows as a whole.
    cost -= tf.reduce_min(cost, axis=1, keepdims=True)
    kernel = tf.exp(-(cost - tf.reduce_min(cost, axis=0, keepdims=True)))

    def scaled(by: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(by, sums)

    def iterate(k: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tuple:
        rows = scaled(share, tf.linalg.matvec(kernel, columns))
        sums = tf.linalg.matvec(kernel, rows, transpose_a=True)
        return k + 1, rows, scaled(tf.ones_like(share) / number, sums)

    _, rows, columns = tf.while_loop(
        lambda k, *_: k < _ITERATIONS,
        iterate,
        (tf.constant(0), tf.zeros_like(share), tf.ones_like(share)),
        maximum_iterations=_ITERATIONS,
    )
    return rows[:, tf.newaxis] * kernel * columns


def drawn_partners(plan: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Draws for each x_i one z_j, with probability plan[i, j] / sum of plan[i].

    Args:
      plan: `[B, B]`.
      uniform: Numbers `[B]` in (0, 1).

    Returns:
      int32 `[B]`.
    """
    below = tf.cumsum(plan, axis=1)
    reached = below <= uniform[:, tf.newaxis] * below[:, -1:]
    last = tf.shape(plan)[0] - 1
    return tf.minimum(tf.reduce_sum(tf.cast(reached, tf.int32), axis=1), last)
