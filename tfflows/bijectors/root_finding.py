"""Roots of increasing scalar functions, with implicit gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

_MAX_ITERATIONS = 200
_FLAT = 1e-3

ValueAndSlope = Callable[..., tuple[tf.Tensor, tf.Tensor]]


def increasing_root(
    function: ValueAndSlope,
    target: tf.Tensor,
    params: Sequence[tf.Tensor],
    lower: tf.Tensor,
    upper: tf.Tensor,
) -> tf.Tensor:
    """Solves f(a, *params) = target for a, element by element.

    It uses Newton's method inside a bracket. Bisection replaces a step that leaves the
    bracket, or that follows a step which did not halve the residual, so every iteration
    halves the bracket or the residual.

    Args:
      function: Maps `a [B]` and the params to f and df/da > 0, both `[B]`.
      target: `[B]`.
      params: Tensors that f depends on.
      lower: `[B]`, lower bounds of the roots.
      upper: `[B]`, upper bounds of the roots.

    Returns:
      `[B]`, the roots to rounding error. First derivatives with respect to target and
      params are those of the implicit function: da = (dtarget - df) / (df/da).
    """
    stopped = [tf.stop_gradient(value) for value in (target, lower, upper, *params)]
    root = tf.stop_gradient(_solve(function, *stopped))
    value, slope = function(root, *params)
    # One more Newton step changes little, but carries the derivatives. Where f is flat,
    # the residual's rounding would carry it far away.
    step = (value - target) / tf.stop_gradient(slope)
    moved = tf.where(slope > _FLAT, step, tf.zeros_like(step))
    return root - tf.stop_gradient(moved) - (step - tf.stop_gradient(step))


def _solve(
    function: ValueAndSlope,
    target: tf.Tensor,
    lower: tf.Tensor,
    upper: tf.Tensor,
    *params: tf.Tensor,
) -> tf.Tensor:
    unit = 4.0 * np.finfo(target.dtype.as_numpy_dtype).eps

    def rounding(root: tf.Tensor) -> tf.Tensor:
        return unit * (1.0 + tf.abs(root) + tf.abs(target))

    def is_open(
        root: tf.Tensor, last: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor
    ) -> tf.Tensor:
        # The target may be of another scale than the root.
        width = unit * (1.0 + tf.abs(root))
        return tf.reduce_any((upper - lower > width) & (last > rounding(root)))

    def iterate(
        root: tf.Tensor, last: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        value, slope = function(root, *params)
        residual = value - target
        lower = tf.where(residual < 0.0, root, lower)
        upper = tf.where(residual > 0.0, root, upper)
        newton = root - residual / slope
        size = tf.abs(residual)
        good = (newton > lower) & (newton < upper) & (size <= 0.5 * last)
        moved = tf.where(good, newton, 0.5 * (lower + upper))
        # A root that was found does not change while others take more iterations.
        return tf.where(size > rounding(root), moved, root), size, lower, upper

    start = 0.5 * (lower + upper)
    last = tf.fill(tf.shape(start), tf.constant(float("inf"), start.dtype))
    return tf.while_loop(
        is_open,
        iterate,
        (start, last, lower, upper),
        maximum_iterations=_MAX_ITERATIONS,
    )[0]
