"""Sylvester flows with M orthonormal columns."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checks import require
from tfflows.bijectors.amortizable import Parameter
from tfflows.bijectors.sylvester import Sylvester

_MAX_ITERATIONS = 50


@keras.saving.register_keras_serializable("tfflows")
class OrthogonalSylvester(Sylvester):
    """`Sylvester` with M <= D columns, made orthonormal by an iteration.

      forward:          x = z + Q R h(S Q^T z + b)
      forward log-det:  sum_m ln(1 + h'_m R_mm S_mm)
      inverse:          none: raises `InverseNotAvailable`
      inverse log-det:  likewise

    Q <- Q (I + (I - Q^T Q) / 2) until ||Q^T Q - I||_F / sqrt(M), the error of a column,
    is within the tolerance.

    Source: van den Berg et al., "Sylvester Normalizing Flows for Variational
    Inference", 2018, arXiv 1803.05649, section 3.1; Bjorck and Bowie, "An iterative
    algorithm for computing the best estimate of an orthogonal matrix", 1971.

    Args:
      num_columns: M; at most D.
      activation: As in `Sylvester`.
      context_dim: As in `Sylvester`.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If num_columns is below 1 or, on `build`, above D; in use, if 50
        iterations do not bring Q within the tolerance (1e-5 in float32, 1e-10 in
        float64), because its columns are almost linearly dependent. (In a graph
        InvalidArgumentError; XLA does not check.)
    """

    def __init__(
        self,
        num_columns: int,
        activation: Any = "tanh",
        *,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, context_dim=context_dim, **kwargs)
        self.num_columns = check_count("num_columns", num_columns)

    def _num_units(self, size: int) -> int:
        if self.num_columns > size:
            raise ValueError(
                f"{self.name}: expected at most {size} columns for events of that "
                f"size, got num_columns={self.num_columns}"
            )
        return self.num_columns

    def _parameter_table(self, size: int) -> dict[str, Parameter]:
        columns = (size, self._num_units(size))
        start = keras.initializers.Orthogonal()
        return {**super()._parameter_table(size), "columns": Parameter(columns, start)}

    def _basis(self, params: dict[str, tf.Tensor]) -> tf.Tensor:
        columns, error = orthonormal_columns(params["columns"])
        tolerance = _tolerance(columns.dtype)
        message = (
            f"{self.name}: expected columns that become orthonormal within {tolerance} "
            f"in {_MAX_ITERATIONS} iterations; they are almost linearly dependent"
        )
        with require(error <= tolerance, message):
            return tf.identity(columns)

    def _to_units(self, basis: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(basis, z, transpose_a=True)

    def _from_units(self, basis: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(basis, y)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_columns": self.num_columns}


def orthonormal_columns(matrix: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the nearest orthonormal columns, by Bjorck and Bowie's iteration.

    Args:
      matrix: `[B, D, M]`, M <= D, of full rank.

    Returns:
      Q `[B, D, M]`, and the largest ||Q^T Q - I||_F / sqrt(M) of the batch before the
      last iteration.
    """
    identity = tf.eye(matrix.shape[-1], dtype=matrix.dtype)
    tolerance = _tolerance(matrix.dtype)

    def gap(q: tf.Tensor) -> tf.Tensor:
        return identity - tf.matmul(q, q, transpose_a=True)

    def largest(gaps: tf.Tensor) -> tf.Tensor:
        # Per column, because rounding adds up over columns.
        squares = tf.reduce_sum(tf.square(gaps), axis=[-2, -1]) / matrix.shape[-1]
        return tf.sqrt(tf.reduce_max(squares))

    def iterate(q: tf.Tensor, gaps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        q = q + 0.5 * tf.matmul(q, gaps)
        return q, gap(q)

    # Singular values up to sqrt(3) converge; the Frobenius norm bounds them by 1.
    start = matrix / tf.norm(matrix, axis=[-2, -1], keepdims=True)
    q, gaps = tf.while_loop(
        lambda _, gaps: largest(gaps) > tolerance,
        iterate,
        (start, gap(start)),
        maximum_iterations=_MAX_ITERATIONS,
    )
    # One more iteration squares the error: a row is then the same to rounding, even if
    # other rows in its batch change the number of iterations.
    return iterate(q, gaps)[0], largest(gaps)


def _tolerance(dtype: tf.DType) -> float:
    return 1e-10 if dtype == tf.float64 else 1e-5
