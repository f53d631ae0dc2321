"""A network for sets: a mean or maximum over their elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_counts, check_word
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.networks.mlp import MLP
from tfflows.networks.set_pooling import check_set, elements, with_log_size

Pooling = Literal["mean", "max"]


@keras.saving.register_keras_serializable("tfflows")
class DeepSet(CheckpointsAllWeights, keras.layers.Layer):
    """rho(pool_n phi(x_n), log N): features of a set, independent of its order.

    Maps sets `[B, N, D]` of any size N to `[B, units[-1]]`, for example as the
    `context_network` of a flow whose context is many observations,
    `context_shape=(None, D)`.

    Source: Zaheer et al., "Deep Sets", 2017, arXiv 1703.06114, theorem 2.

    Args:
      hidden_units: Widths of phi, which maps each element.
      units: Widths of rho, which maps the pooled features.
      activation: Name of a Keras activation for both.
      pooling: "mean" or "max".
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If an argument is out of range; on call, if inputs are no sets.
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (64, 64),
        units: Sequence[int] = (64, 32),
        activation: str = "relu",
        pooling: Pooling = "mean",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = check_counts("hidden_units", hidden_units)
        self.units = check_counts("units", units)
        self.pooling = check_word("pooling", pooling, Pooling)
        self.supports_masking = True
        policy = {"activation": activation, "dtype": self.dtype_policy}
        self._each = MLP(self.hidden_units, **policy)
        self._pooled = MLP(self.units, **policy)

    def build(self, input_shape: Any) -> None:
        """Creates both networks."""
        self._each.build(tuple(input_shape))
        self._pooled.build((None, self.hidden_units[-1] + 1))

    def call(self, inputs: tf.Tensor, mask: Any = None) -> tf.Tensor:
        """Maps `[B, N, D]`, mask `[B, N]` (False: padding), to `[B, units[-1]]`."""
        check_set(self.name, inputs)
        hidden = self._each(inputs)
        present = elements(hidden, mask)
        if self.pooling == "mean":
            number = tf.maximum(tf.reduce_sum(present, axis=1), 1.0)
            pooled = tf.reduce_sum(hidden * present, axis=1) / number
        else:
            lowest = tf.cast(hidden.dtype.min, hidden.dtype)
            pooled = tf.reduce_max(tf.where(present > 0, hidden, lowest), axis=1)
        return self._pooled(with_log_size(pooled, present))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None, because the output has no elements."""

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns (batch, units[-1])."""
        return input_shape[0], self.units[-1]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "units": self.units,
            "activation": keras.activations.serialize(self._each.activation),
            "pooling": self.pooling,
        }
