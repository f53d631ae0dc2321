"""Dense conditioners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_activation, check_count, check_counts
from tfflows.backend.checkpointing import CheckpointsAllWeights


class DenseConditioner(CheckpointsAllWeights, keras.layers.Layer):
    """A dense conditioner whose first layer also receives the context."""

    def __init__(self, activation: str, context_dim: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = check_activation(activation)
        if context_dim is not None:
            context_dim = check_count("context_dim", context_dim)
        self.context_dim = context_dim

    def _add_context_layer(self, units: int) -> None:
        self._context_layer = None
        if self.context_dim is not None:
            self._context_layer = keras.layers.Dense(
                units, use_bias=False, dtype=self.dtype_policy
            )
            self._context_layer.build((None, self.context_dim))

    def _add_context(self, hidden: tf.Tensor, context: Any) -> tf.Tensor:
        if self._context_layer is None:
            return hidden
        expected = (None, self.context_dim)
        if context is None or not context.shape.is_compatible_with(expected):
            got = None if context is None else tuple(context.shape)
            raise ValueError(
                f"{self.name}: expected a context of shape {expected}, got {got}"
            )
        return hidden + self._context_layer(tf.cast(context, hidden.dtype))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "context_dim": self.context_dim,
        }


@keras.saving.register_keras_serializable("tfflows")
class MLP(DenseConditioner):
    """A multi-layer perceptron: Dense layers, each followed by the activation.

    Maps `[B, n]` to features `[B, hidden_units[-1]]`; a coupling adds the output layer.

    Args:
      hidden_units: Widths of the hidden layers, one or more.
      activation: Name of a Keras activation.
      context_dim: Size C of a context `[B, C]` that the first layer also receives;
        None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If widths are missing or not positive; on call, if the context is
        missing.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: str = "relu",
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, context_dim, **kwargs)
        self.hidden_units = check_counts("hidden_units", hidden_units)

    def build(self, input_shape: Any) -> None:
        """Creates the dense layers."""
        self.layers = []
        shape = tuple(input_shape)
        for units in self.hidden_units:
            layer = keras.layers.Dense(units, dtype=self.dtype_policy)
            layer.build(shape)
            self.layers.append(layer)
            shape = (*shape[:-1], units)
        self._add_context_layer(self.hidden_units[0])

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, n]` (and context `[B, C]`) to `[B, hidden_units[-1]]`."""
        hidden = self._add_context(self.layers[0](inputs), context)
        for layer in self.layers[1:]:
            hidden = layer(self.activation(hidden))
        return self.activation(hidden)

    def compute_output_shape(self, input_shape: Any, **kwargs: Any) -> tuple:
        """Returns the input's shape with the last hidden width on the last axis."""
        return (*tuple(input_shape)[:-1], self.hidden_units[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "hidden_units": self.hidden_units}
