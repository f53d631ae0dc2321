"""Gated convolutions."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_flag, check_word
from tfflows.networks.image_context import ConvConditioner


@keras.saving.register_keras_serializable("tfflows")
class GatedConv(ConvConditioner):
    """A convolution gated by another one: h(x) * sigmoid(g(x)).

    Maps images `[B, H, W, C]` to `[B, H', W', filters]`.

    Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks", 2016,
    arXiv 1612.08083, equation 1; in the VAEs of van den Berg et al., 2018, arXiv
    1803.05649.

    Args:
      filters: Number of output channels.
      kernel_size: Size of the window.
      strides: Factor by which the image shrinks, or grows if transposed.
      padding: "same" or "valid".
      transpose: Whether the convolutions are transposed.
      context_dim: Channels C of a context that the convolution also sees: an image `[B,
        h, w, C]`, averaged or repeated to the sides of the input, or a vector `[B, C]`.
        None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If sizes are not positive integers or the padding is unknown.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "same",
        *,
        transpose: bool = False,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context_dim, **kwargs)
        self.filters = check_count("filters", filters)
        self.kernel_size = check_count("kernel_size", kernel_size)
        self.strides = check_count("strides", strides)
        self.padding = check_word("padding", padding, ("same", "valid"))
        self.transpose = check_flag("transpose", transpose)
        # One convolution computes the outputs and then their gates.
        convolution = keras.layers.Conv2DTranspose if transpose else keras.layers.Conv2D
        self.convolution = convolution(
            2 * self.filters,
            self.kernel_size,
            strides=self.strides,
            padding=padding,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Any) -> None:
        """Creates the kernels."""
        self.convolution.build(self._shape_with_context(input_shape))

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, H, W, C]` (and a context) to `[B, H', W', filters]`."""
        inputs = self._with_context(inputs, context)
        outputs, gates = tf.split(self.convolution(inputs), 2, axis=-1)
        return outputs * tf.sigmoid(gates)

    def compute_output_shape(
        self, input_shape: Any, **kwargs: Any
    ) -> tuple[int | None, ...]:
        """Returns the convolution's shape with `filters` on the last axis."""
        shape = self.convolution.compute_output_shape(tuple(input_shape))
        return (*shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "transpose": self.transpose,
        }
