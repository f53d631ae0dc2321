"""The log-det of the Jacobian I + J of x + g(x): exact, or by its power series."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from tfflows.backend.checks import require
from tfflows.bijectors.probes import tiled, unit_vectors
from tfflows.bijectors.pure_step import Weights
from tfflows.bijectors.residual_branch import Branch, Products
from tfflows.bijectors.shapes import sum_over_event


class Terms(NamedTuple):
    """How many terms of the series are counted, and how.

    Attributes:
      last: `[R]`, how many terms each row counts.
      certain: How many terms each row counts for certain. Each further one is counted
        if the one before is, with the probability `going_on`, and divided by the
        probability that it is counted.
      going_on: That probability.
    """

    last: tf.Tensor
    certain: int
    going_on: float

    def factor(self, k: tf.Tensor) -> tf.Tensor:
        """Returns the factor `[R]` of the k-th term, 0 if it is not counted."""
        further = tf.maximum(k - self.certain, 0.0)
        factor = tf.exp(-math.log(self.going_on) * further)
        return tf.where(k <= self.last, factor, tf.zeros_like(self.last))


def truncation_bound(lipschitz: float, num_terms: int, size: int) -> float:
    """Returns how far the series is at most from the log-det after some terms, in nats.

    |tr J^k| <= D L^k for J of any induced norm L, so what is left out is at most

      D L^m (1 / m + L / (m + 1) + L^2 / (m + 2) + ...)

    with m = n + 1.

    Args:
      lipschitz: L < 1.
      num_terms: n.
      size: D, the number of elements of an event.
    """
    counted = math.fsum(lipschitz**k / k for k in range(1, num_terms + 1))
    return size * max(-math.log1p(-lipschitz) - counted, 0.0)


def series_log_det(
    branch: Branch,
    x: tf.Tensor,
    contexts: list[tf.Tensor],
    vectors: tf.Tensor,
    terms: Terms,
) -> tf.Tensor:
    """Estimates ln det(I + J) = tr J - tr J^2 / 2 + tr J^3 / 3 - ... for each row.

    With a vector v of random signs, v^T J^k v estimates tr J^k. The gradient is that of
    the log-det, tr((I + J)^-1 dJ), estimated by v^T (I - J + J^2 - ...) dJ v with the
    same terms: it needs the memory of one pass, however many terms there are. In
    expectation it is the derivative of the value, for one v it is not.

    Args:
      branch: g.
      x: `[R, *event]`.
      contexts: As in `Branch`.
      vectors: v, `[R, *event]`.
      terms: How many terms are counted.

    Returns:
      `[R]`.

    Raises:
      ValueError: In eager mode, if the terms show that g is no contraction. In a graph,
        InvalidArgumentError; under XLA, the rows are NaN.
    """

    @tf.custom_gradient
    def run(x: tf.Tensor, contexts: list[tf.Tensor], weights: Weights) -> Any:
        product = Products(branch, x, contexts, weights)
        value, left, last = _sums(product, vectors, terms)
        # |v J^n| <= D in the 2-norm, for J of norm below 1 in any of the norms 2, 1 and
        # inf. Twice this leaves room for rounding.
        most = 2.0 * math.prod(x.shape[1:])
        value = _of_contraction(branch, value, sum_over_event(last**2) > most**2)

        def pull_back(upstream: tf.Tensor) -> Any:
            def scalar(x: tf.Tensor, contexts: Any, weights: Any) -> tf.Tensor:
                rows = Products(branch, x, contexts, weights)(left)
                return tf.reduce_sum(upstream * sum_over_event(rows * vectors))

            return branch.pull_back(x, contexts, weights, scalar)

        return value, pull_back

    return run(x, contexts, branch.weights)


def _sums(
    product: Products, vectors: tf.Tensor, terms: Terms
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the series `[R]`, v^T (I - J + J^2 - ...), and v^T J^n `[R, *event]`."""
    number = tf.reduce_max(terms.last)
    axes = [1] * (vectors.shape.rank - 1)

    def body(
        k: tf.Tensor, u: tf.Tensor, value: tf.Tensor, left: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        factor = terms.factor(k) * (2.0 * tf.math.floormod(k, 2.0) - 1.0)
        left += tf.reshape(factor, [-1, *axes]) * u
        u = product(u)
        return k + 1.0, u, value + factor / k * sum_over_event(u * vectors), left

    start = tf.zeros_like(terms.last), tf.zeros_like(vectors)
    _, last, value, left = tf.while_loop(
        lambda k, *_: k <= number,
        body,
        (tf.ones([], vectors.dtype), vectors, *start),
    )
    return value, left, last


def exact_log_det(branch: Branch, x: tf.Tensor) -> tf.Tensor:
    """Returns ln det(I + J) `[B]` from the whole Jacobian, by D backward passes.

    Raises:
      ValueError: As `series_log_det`.
    """
    event = tuple(x.shape[1:])
    size, rows = math.prod(event), tf.shape(x)[0]
    many = tiled(x, size)
    contexts = [tiled(context, size) for context in branch.contexts]
    units = tf.repeat(tf.constant(unit_vectors(event), x.dtype), rows, axis=0)
    jacobian = Products(branch, many, contexts, branch.weights)(units)
    jacobian = tf.transpose(tf.reshape(jacobian, [size, rows, size]), [1, 0, 2])
    pivots = _pivots_near_identity(tf.eye(size, dtype=x.dtype) + jacobian)
    value = tf.reduce_sum(tf.math.log(pivots), axis=-1)
    return _of_contraction(branch, value, tf.reduce_any(pivots <= 0.0, axis=-1))


def _pivots_near_identity(matrices: tf.Tensor) -> tf.Tensor:
    """Returns the pivots `[B, D]` of I + J `[B, D, D]`, whose product is the det.

    By elimination, which XLA compiles.

    The pivots are positive without exchanging rows, for J of norm below 1: in the
    2-norm because I + J has a positive definite symmetric part, in the others because
    its diagonal dominates.
    """
    pivots = []
    for _ in range(matrices.shape[-1]):
        pivots.append(matrices[:, 0, 0])
        column = matrices[:, 1:, :1] / matrices[:, :1, :1]
        matrices = matrices[:, 1:, 1:] - column * matrices[:, :1, 1:]
    return tf.stack(pivots, axis=-1)


def _of_contraction(branch: Branch, value: tf.Tensor, grows: tf.Tensor) -> tf.Tensor:
    """Returns log-dets `[R]`, if there are no rows where g is no contraction."""
    message = (
        f"{branch.name}: expected a network whose Lipschitz constant is below 1, got "
        "rows at which its Jacobian shows a larger one, which is not the lipschitz= of "
        "the step, so scale the network down; how many:"
    )
    number = tf.reduce_sum(tf.cast(grows, tf.int32))
    with require(tf.equal(number, 0), message, number):
        return tf.where(grows, tf.constant(math.nan, value.dtype), value)
