"""Sylvester flows whose Q is a product of reflections."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.amortizable import Parameter
from tfflows.bijectors.sylvester import Sylvester


@keras.saving.register_keras_serializable("tfflows")
class HouseholderSylvester(Sylvester):
    """`Sylvester` with M = D and Q a product of H Householder reflections.

      forward:          x = z + Q R h(S Q^T z + b)
      forward log-det:  sum_m ln(1 + h'_m R_mm S_mm)
      inverse:          none: raises `InverseNotAvailable`
      inverse log-det:  likewise

    Q = P_1 ... P_H with P_i y = y - 2 v_i (v_i.y) / ||v_i||^2; P_i = I where v_i = 0.

    Source: van den Berg et al., "Sylvester Normalizing Flows for Variational
    Inference", 2018, arXiv 1803.05649, section 3.2.

    Args:
      num_reflections: H.
      activation: As in `Sylvester`.
      context_dim: As in `Sylvester`.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If num_reflections is below 1.
    """

    def __init__(
        self,
        num_reflections: int = 8,
        activation: Any = "tanh",
        *,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, context_dim=context_dim, **kwargs)
        self.num_reflections = check_count("num_reflections", num_reflections)

    def _parameter_table(self, size: int) -> dict[str, Parameter]:
        normals = (self.num_reflections, size)
        start = keras.initializers.RandomNormal(stddev=1.0)
        return {**super()._parameter_table(size), "normals": Parameter(normals, start)}

    def _basis(self, params: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """Returns the unit normals, `[B or 1, D]` each; a normal of 0 stays 0."""
        return tf.unstack(unit_vectors(params["normals"]), axis=1)

    def _to_units(self, basis: list[tf.Tensor], z: tf.Tensor) -> tf.Tensor:
        for normal in basis:
            z = _reflected(z, normal)
        return z

    def _from_units(self, basis: list[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
        for normal in reversed(basis):
            y = _reflected(y, normal)
        return y

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_reflections": self.num_reflections}


def unit_vectors(vectors: tf.Tensor) -> tf.Tensor:
    """Divides vectors `[..., D]` by their norms, however small or large; 0 stays 0."""
    largest = tf.reduce_max(tf.abs(vectors), axis=-1, keepdims=True)
    # Squares of the scaled elements neither overflow nor vanish.
    scaled = vectors / tf.stop_gradient(tf.where(largest > 0.0, largest, 1.0))
    squared = tf.reduce_sum(tf.square(scaled), axis=-1, keepdims=True)
    return scaled * tf.math.rsqrt(tf.where(squared > 0.0, squared, 1.0))


def _reflected(y: tf.Tensor, normal: tf.Tensor) -> tf.Tensor:
    along = tf.reduce_sum(y * normal, axis=-1, keepdims=True)
    return y - 2.0 * along * normal
