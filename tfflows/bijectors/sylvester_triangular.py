"""Sylvester flows whose Q is the identity or a reversal."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_flag
from tfflows.bijectors.sylvester import Sylvester


@keras.saving.register_keras_serializable("tfflows")
class TriangularSylvester(Sylvester):
    """`Sylvester` with M = D, whose Q is the identity or reverses the elements.

      forward:          x = z + Q R h(S Q^T z + b)
      forward log-det:  sum_m ln(1 + h'_m R_mm S_mm)
      inverse:          none: raises `InverseNotAvailable`
      inverse log-det:  likewise

    Alternate `reverse` in consecutive steps, so that both orders are used.

    Source: van den Berg et al., "Sylvester Normalizing Flows for Variational
    Inference", 2018, arXiv 1803.05649, section 3.3.

    Args:
      activation: As in `Sylvester`.
      reverse: Whether Q reverses the elements.
      context_dim: As in `Sylvester`.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.
    """

    def __init__(
        self,
        activation: Any = "tanh",
        *,
        reverse: bool = False,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, context_dim=context_dim, **kwargs)
        self.reverse = check_flag("reverse", reverse)

    def _basis(self, params: dict[str, tf.Tensor]) -> None:
        del params  # Q has none

    def _to_units(self, basis: None, z: tf.Tensor) -> tf.Tensor:
        return tf.reverse(z, axis=[-1]) if self.reverse else z

    def _from_units(self, basis: None, y: tf.Tensor) -> tf.Tensor:
        return self._to_units(basis, y)  # a reversal is its own transpose

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "reverse": self.reverse}
