"""Gated convolutions."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfflows")
class GatedConv(keras.layers.Layer):
    """A convolution whose output another one opens or shuts: h(x) * sigmoid(g(x)).

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
      **kwargs: Those of `keras.layers.Layer`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "same",
        *,
        transpose: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size = int(filters), int(kernel_size)
        self.strides, self.padding = int(strides), padding
        self.transpose = bool(transpose)
        # One convolution of twice the filters: the outputs, then their gates.
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
        self.convolution.build(tuple(input_shape))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` -> `[B, H', W', filters]`."""
        outputs, gates = tf.split(self.convolution(inputs), 2, axis=-1)
        return outputs * tf.sigmoid(gates)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The convolution's shape with `filters` on the last axis."""
        shape = self.convolution.compute_output_shape(tuple(input_shape))
        return (*shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "transpose": self.transpose,
        }
