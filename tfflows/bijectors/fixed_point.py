"""The inverse of x + g(x), by iteration, with implicit gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.backend.checks import require
from tfflows.backend.domains import all_of_row, select_rows
from tfflows.bijectors.pure_step import Weights
from tfflows.bijectors.residual_branch import Branch, Products
from tfflows.bijectors.shapes import sum_over_event

# A row that changes by less than this many tolerances has converged as far as rounding
# lets it, once its changes no longer shrink.
_ROUNDING = 64.0
# Gradients below this need not be exact: their changes may be too small for float32.
_TINY = 1e-30


def rounding(dtype: tf.DType) -> float:
    """Returns the finest tolerance of a dtype, 4 units in the last place."""
    return 4.0 * float(np.finfo(dtype.as_numpy_dtype).eps)


def enough_iterations(lipschitz: float, tolerance: float) -> int:
    """Returns after how many iterations any g of this constant has converged.

    Args:
      lipschitz: L < 1. The error shrinks by L at each iteration, from at most
        ||g(z)|| / (1 - L), for which this allows 1e4 / (1 - L).
      tolerance: Of the error.
    """
    return math.ceil(math.log(tolerance * (1.0 - lipschitz) / 1e4, lipschitz))


def fixed_point(
    branch: Branch, z: tf.Tensor, tolerance: float, limit: int, name: str
) -> tf.Tensor:
    """Solves x + g(x) = z by x <- z - g(x), row by row.

    The derivatives are those of the implicit function, dx = (1 + J)^-1 (dz - dg), by
    the same iteration with J^T, so that no iteration is kept in memory.

    Args:
      branch: g, with a Lipschitz constant below 1.
      z: `[B, *event]`.
      tolerance: A row is solved when an iteration changes it by at most
        tolerance (1 + max |x|).
      limit: Largest number of iterations.
      name: Name of the step, for the error.

    Returns:
      `[B, *event]`.

    Raises:
      ValueError: In eager mode, if rows, or their gradients, are not solved within the
        limit. In a graph, InvalidArgumentError; under XLA, they are NaN.
    """

    def solved(found: tuple[tf.Tensor, tf.Tensor], what: str) -> tf.Tensor:
        value, is_open = found
        message = (
            f"{name}: expected a network whose Lipschitz constant is below 1, with "
            f"which {limit} iterations of x = z - g(x) solve each row to "
            f"{tolerance:g}; got {what} that are not solved, so take a smaller "
            "constant, or more max_iterations; how many:"
        )
        number = tf.reduce_sum(tf.cast(is_open, tf.int32))
        with require(tf.equal(number, 0), message, number):
            return select_rows(is_open, _nan(value), value)

    @tf.custom_gradient
    def run(z: tf.Tensor, contexts: list[tf.Tensor], weights: Weights) -> Any:
        found = _iterate(
            lambda x: z - branch(x, contexts, weights), z, tolerance, 1.0, limit
        )
        x = solved(found, "rows")

        def pull_back(upstream: tf.Tensor) -> Any:
            product = Products(branch, x, contexts, weights)
            found = _iterate(
                lambda a: upstream - product(a), upstream, tolerance, _TINY, limit
            )
            by_z = solved(found, "gradients of rows")

            def scalar(x: tf.Tensor, contexts: Any, weights: Any) -> tf.Tensor:
                y = branch(x, contexts, weights)
                return -tf.reduce_sum(sum_over_event(by_z * y))

            _, *others = branch.pull_back(x, contexts, weights, scalar)
            return by_z, *others

        return x, pull_back

    return run(z, branch.contexts, branch.weights)


def _nan(like: tf.Tensor) -> tf.Tensor:
    return tf.fill(tf.shape(like), tf.constant(math.nan, like.dtype))


def _iterate(
    function: Callable[[tf.Tensor], tf.Tensor],
    start: tf.Tensor,
    tolerance: float,
    floor: float,
    limit: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Repeats a contraction; returns its fixed points and which rows are not solved.

    A row whose start is not finite is NaN, and does not count as unsolved.
    """
    axes = list(range(1, start.shape.rank))

    def largest(value: tf.Tensor) -> tf.Tensor:
        return tf.reduce_max(tf.abs(value), axis=axes)

    def body(
        x: tf.Tensor, last: tf.Tensor, is_open: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        moved = function(x)
        change, unit = largest(moved - x), tolerance * (floor + largest(moved))
        at_rounding = (change >= last) & (change < _ROUNDING * unit)
        # A row that is solved does not change while others take more iterations.
        x = select_rows(is_open, moved, x)
        # False for NaN and inf, so that a row that overflows stays open.
        is_solved = (change < unit) | at_rounding
        return x, change, is_open & ~is_solved

    is_finite = all_of_row(tf.math.is_finite(start))
    start = select_rows(is_finite, start, _nan(start))
    last = tf.fill(tf.shape(start)[:1], tf.constant(math.inf, start.dtype))
    x, _, is_open = tf.while_loop(
        lambda x, last, is_open: tf.reduce_any(is_open),
        body,
        (start, last, is_finite),
        maximum_iterations=limit,
    )
    return x, is_open
