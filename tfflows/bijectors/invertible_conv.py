"""Invertible 1x1 convolutions: trained linear maps across channels."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf

from tfflows.backend.arguments import check_word
from tfflows.bijectors.flow_step import FlowStep

_PARAMETERIZATIONS = ("plu", "free")


@keras.saving.register_keras_serializable("tfflows")
class Invertible1x1Conv(FlowStep):
    """Applies an invertible matrix W [C, C] to the channels of every pixel.

    With n the number of pixels of an event (1 for vectors):

      forward:          x_ij = W^-1 z_ij
      forward log-det:  -n ln|det W|
      inverse:          z_ij = W x_ij
      inverse log-det:  n ln|det W|

    W starts as a random orthogonal matrix. As "plu", W = P L (U + diag(s)) with P a
    fixed permutation, L unit lower and U strictly upper triangular, so that
    ln|det W| = sum ln|s| and W stays invertible; the trained weight `lu` [C, C] holds
    L below, U above and ln|s| on its diagonal, P and sign(s) are saved, not trained.
    As "free", W itself is trained; XLA cannot compile its log-determinant on a CPU.

    Source: Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1
    Convolutions", 2018, arXiv 1807.03039, section 3.2, equations 10 and 11.

    Args:
      parameterization: "plu" or "free".
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If the parameterization is unknown.
    """

    draws_weights_apart = False  # P, L, U and s are factors of one matrix

    def __init__(self, parameterization: str = "plu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parameterization = check_word(
            "parameterization", parameterization, _PARAMETERIZATIONS
        )
        self.supports_jit = parameterization == "plu"
        self.jit_obstacle = "XLA has no log-determinant of a matrix on CPUs"

    def build(self, data_shape: Any) -> None:
        """Creates the matrix or its factors."""
        size = data_shape[-1]
        start = keras.initializers.Orthogonal()((size, size), "float32").numpy()
        if self.parameterization == "free":
            self.kernel = self._constant("kernel", start, trainable=True)
            return
        permutation, lower, upper = scipy.linalg.lu(start)
        diagonal = np.diag(upper)
        packed = np.tril(lower, -1) + np.triu(upper, 1)
        self.lu = self._constant(
            "lu", packed + np.diag(np.log(np.abs(diagonal))), trainable=True
        )
        self.permutation = self._constant("permutation", permutation)
        self.sign = self._constant("sign", np.diag(np.sign(diagonal)))
        self._below = np.tril(np.ones((size, size)), -1)

    def _constant(
        self, name: str, value: np.ndarray, trainable: bool = False
    ) -> keras.Variable:
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype: tf.constant(value, dtype),
            trainable=trainable,
            name=name,
        )

    def _factors(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns L, U + diag(s) and ln|s|."""
        lu = tf.convert_to_tensor(self.lu)
        below = tf.constant(self._below, lu.dtype)
        # OpenVINO cannot read tf.linalg.diag_part and tf.eye.
        eye = tf.constant(np.eye(lu.shape[0]), lu.dtype)
        log_s = tf.reduce_sum(lu * eye, axis=-1)
        lower = lu * below + eye
        upper = lu * tf.transpose(below) + self.sign * tf.exp(log_s)
        return lower, upper, log_s

    def _matrix_and_log_det(self) -> tuple[tf.Tensor, tf.Tensor]:
        if self.parameterization == "free":
            kernel = tf.convert_to_tensor(self.kernel)
            return kernel, tf.linalg.slogdet(kernel)[1]
        lower, upper, log_s = self._factors()
        return self.permutation @ (lower @ upper), tf.reduce_sum(log_s)

    def _inverse_matrix_and_log_det(self) -> tuple[tf.Tensor, tf.Tensor]:
        if self.parameterization == "free":
            kernel, log_det = self._matrix_and_log_det()
            return tf.linalg.inv(kernel), -log_det
        lower, upper, log_s = self._factors()
        transposed = tf.transpose(tf.convert_to_tensor(self.permutation))
        middle = tf.linalg.triangular_solve(lower, transposed, lower=True)
        inverse = tf.linalg.triangular_solve(upper, middle, lower=False)
        return inverse, -tf.reduce_sum(log_s)

    def _apply(
        self, value: tf.Tensor, matrix: tf.Tensor, log_det: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = math.prod(self.data_event_shape[:-1])
        outputs = tf.linalg.matmul(
            tf.reshape(value, (-1, matrix.shape[0])), matrix, transpose_b=True
        )
        outputs = tf.reshape(outputs, (-1, *self.data_event_shape))
        return outputs, tf.fill(tf.shape(value)[:1], pixels * log_det)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._apply(z, *self._inverse_matrix_and_log_det())

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._apply(x, *self._matrix_and_log_det())

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "parameterization": self.parameterization}
