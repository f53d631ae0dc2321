"""The base class of Sylvester flows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.amortizable import AmortizableStep, Parameter
from tfflows.bijectors.slopes import gentle_activation, value_and_slope

# Largest diagonal element: products of two stay above -1, also in float32.
_LARGEST = 0.999


class Sylvester(AmortizableStep):
    """A planar flow with M units whose Jacobian is that of a triangular matrix.

    With Q `[D, M]` of orthonormal columns, R and S upper triangular `[M, M]`,
    a = S Q^T z + b, and h an activation with 0 <= h' <= 1, element by element:

      forward:          x = z + Q R h(a)
      forward log-det:  sum_m ln(1 + h'(a_m) R_mm S_mm)
      inverse:          none in closed form: raises `InverseNotAvailable`
      inverse log-det:  likewise

    By Sylvester's identity det(I + Q R diag(h') S Q^T) = det(I + diag(h') S R). The
    diagonals are 0.999 tanh(.), so that R_mm S_mm > -1 and the map is invertible. It
    starts as the identity, with R = 0.

    The strictly upper parts of R and, transposed, of S are the two triangles of one
    matrix, as in the authors' code. Subclasses define Q.

    Source: van den Berg, Hasenclever, Tomczak and Welling, "Sylvester Normalizing
    Flows for Variational Inference", 2018, arXiv 1803.05649, equations 9 to 14.

    Args:
      activation: Name of a Keras activation, or an element-wise function.
      context_dim: As in `AmortizableStep`: None for weights, or the size of a context
        from which Q, R, S and b follow for each example.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If the activation's slope leaves [0, 1]; on `build`, if events are no
        vectors.
    """

    has_inverse = False

    def __init__(
        self,
        activation: Any = "tanh",
        *,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context_dim=context_dim, **kwargs)
        self.activation = gentle_activation(activation)

    def _num_units(self, size: int) -> int:
        """Returns M for events `[size]`."""
        return size

    def _parameter_table(self, size: int) -> dict[str, Parameter]:
        units = self._num_units(size)
        return {
            "triangles": Parameter((units, units)),
            "r_diagonal": Parameter((units,)),
            # If S were also 0, neither would ever learn.
            "s_diagonal": Parameter((units,), keras.initializers.Ones()),
            "b": Parameter((units,)),
        }

    def _basis(self, params: dict[str, tf.Tensor]) -> Any:
        """Returns what `_to_units` and `_from_units` need to apply Q."""
        raise NotImplementedError(
            f"{type(self).__name__} has no _basis; use OrthogonalSylvester, "
            "HouseholderSylvester or TriangularSylvester"
        )

    def _to_units(self, basis: Any, z: tf.Tensor) -> tf.Tensor:
        """Computes Q^T z: `[B, D]` -> `[B, M]`."""
        raise NotImplementedError(f"{type(self).__name__} has no _to_units")

    def _from_units(self, basis: Any, y: tf.Tensor) -> tf.Tensor:
        """Computes Q y: `[B, M]` -> `[B, D]`."""
        raise NotImplementedError(f"{type(self).__name__} has no _from_units")

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        params = self._parameter_values(context)
        r_diagonal, s_diagonal = [
            _LARGEST * tf.tanh(params[name]) for name in ("r_diagonal", "s_diagonal")
        ]
        basis, triangles = self._basis(params), params["triangles"]
        y = self._to_units(basis, z)
        a = _upper_times(tf.linalg.matrix_transpose(triangles), s_diagonal, y)
        value, slope = value_and_slope(self.activation, a + params["b"])
        x = z + self._from_units(basis, _upper_times(triangles, r_diagonal, value))
        log_det = tf.math.log1p(slope * r_diagonal * s_diagonal)
        return x, tf.reduce_sum(log_det, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


def _upper_times(matrix: tf.Tensor, diagonal: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Multiplies the strictly upper part of a matrix, plus a diagonal, by y."""
    strict = tf.linalg.band_part(matrix, 0, -1) - tf.linalg.band_part(matrix, 0, 0)
    return tf.linalg.matvec(strict, y) + diagonal * y
