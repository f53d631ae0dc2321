"""A dense residual conditioner."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.networks.mlp import DenseConditioner


@keras.saving.register_keras_serializable("tfflows")
class ResNet(DenseConditioner):
    """A dense residual network with pre-activation blocks.

    h_0 = W x + b, then h_{k+1} = h_k + W_2 act(W_1 act(h_k)), W_2 starting at zero.
    Maps `[B, n]` to features `[B, width]`; a coupling adds the output layer.

    Source: He et al., "Identity Mappings in Deep Residual Networks", 2016,
    arXiv 1603.05027, in the dense form of Durkan et al., "Neural Spline Flows", 2019,
    arXiv 1906.04032, appendix B.

    Args:
      width: Units of each layer.
      num_blocks: Number of residual blocks.
      activation: Name of a Keras activation.
      context_dim: Size C of a context `[B, C]` that the first layer also receives;
        None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If width or num_blocks is not positive; on call, if the context is
        missing.
    """

    def __init__(
        self,
        width: int,
        num_blocks: int = 2,
        activation: str = "relu",
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, context_dim, **kwargs)
        self.width = check_count("width", width)
        self.num_blocks = check_count("num_blocks", num_blocks)

    def build(self, input_shape: Any) -> None:
        """Creates the first layer and the blocks."""
        policy, hidden = self.dtype_policy, (None, self.width)
        self.first = keras.layers.Dense(self.width, dtype=policy)
        self.first.build(tuple(input_shape))
        self.blocks = []
        for _ in range(self.num_blocks):
            inner = keras.layers.Dense(self.width, dtype=policy)
            outer = keras.layers.Dense(
                self.width, kernel_initializer="zeros", dtype=policy
            )
            inner.build(hidden)
            outer.build(hidden)
            self.blocks.append([inner, outer])
        # Keras 3.6 saves no lists in lists; newer ones have saved these by then.
        self.layers_of_blocks = [layer for block in self.blocks for layer in block]
        self._add_context_layer(self.width)

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, n]` (and context `[B, C]`) to `[B, width]`."""
        hidden = self._add_context(self.first(inputs), context)
        for inner, outer in self.blocks:
            update = outer(self.activation(inner(self.activation(hidden))))
            hidden = hidden + update
        return self.activation(hidden)

    def compute_output_shape(self, input_shape: Any, **kwargs: Any) -> tuple:
        """Returns the input's shape with `width` on the last axis."""
        return (*tuple(input_shape)[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"width": self.width, "num_blocks": self.num_blocks}
        return {**super().get_config(), **own}
