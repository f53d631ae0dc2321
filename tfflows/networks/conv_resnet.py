"""RealNVP's convolutional residual conditioner."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_flag
from tfflows.backend.convolution import convolve
from tfflows.networks.image_context import ConvConditioner


@keras.saving.register_keras_serializable("tfflows")
class ConvResNet(ConvConditioner):
    """A residual network of weight-normalised 3x3 convolutions.

    h_0 = V_0 * x, then h_{k+1} = h_k + V''_k * relu(V'_k * relu(h_k)), features
    relu(h_N). Each convolution is g V / ||V|| * h + b with a gain g per channel, 1 at
    first, and 0 for V'', so that each block starts as the identity. Maps
    `[B, H, W, C]` to `[B, H, W, width]`; a coupling adds the output layer (head
    "weight_norm").

    The paper also uses batch normalisation. We use only weight normalisation, so that
    training, evaluation and export compute the same map.

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    section 3.3 and 4.1; Salimans and Kingma, "Weight Normalization", 2016, arXiv
    1602.07868.

    Args:
      width: Channels of each layer.
      num_blocks: Number of residual blocks.
      context_dim: Channels C of a context that the first layer also sees: an image `[B,
        h, w, C]`, averaged or repeated to the sides of the input, or a vector `[B, C]`.
        None: the network ignores a context.
      pointwise_input: Whether the first convolution is 1x1, as in neural spline flows.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If sizes are not positive integers; on call, if the context is
        missing.
    """

    def __init__(
        self,
        width: int,
        num_blocks: int = 4,
        context_dim: int | None = None,
        *,
        pointwise_input: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(context_dim, **kwargs)
        self.width = check_count("width", width)
        self.num_blocks = check_count("num_blocks", num_blocks)
        self.pointwise_input = check_flag("pointwise_input", pointwise_input)

    def build(self, input_shape: Any) -> None:
        """Creates the convolutions' weights in this layer itself (see `ConvNet`)."""
        channels = self._shape_with_context(input_shape)[-1]
        side = 1 if self.pointwise_input else 3
        self.first = self._add_conv("first", channels, "ones", side)
        self.blocks = [
            [
                self._add_conv(f"block_{k}_inner", self.width, "ones"),
                self._add_conv(f"block_{k}_outer", self.width, "zeros"),
            ]
            for k in range(self.num_blocks)
        ]

    def _add_conv(
        self, name: str, channels: int, gain: str, side: int = 3
    ) -> list[keras.Variable]:
        kernel = self.add_weight(
            shape=(side, side, channels, self.width),
            initializer="glorot_normal",
            name=f"{name}_kernel",
        )
        vectors = [
            self.add_weight(
                shape=(self.width,), initializer=start, name=f"{name}_{kind}"
            )
            for kind, start in (("gain", gain), ("bias", "zeros"))
        ]
        return [kernel, *vectors]

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, H, W, C]` (and a context) to `[B, H, W, width]`."""
        hidden = _convolve(self._with_context(inputs, context), self.first)
        for inner, outer in self.blocks:
            update = _convolve(tf.nn.relu(hidden), inner)
            hidden += _convolve(tf.nn.relu(update), outer)
        return tf.nn.relu(hidden)

    def compute_output_shape(
        self, input_shape: Any, **kwargs: Any
    ) -> tuple[int | None, ...]:
        """Returns the input's shape with `width` on the last axis."""
        return (*tuple(input_shape)[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "num_blocks": self.num_blocks,
            "pointwise_input": self.pointwise_input,
        }


def _convolve(inputs: tf.Tensor, weights: list[keras.Variable]) -> tf.Tensor:
    kernel, gain, bias = [tf.convert_to_tensor(weight) for weight in weights]
    kernel = gain * tf.math.l2_normalize(kernel, axis=[0, 1, 2])
    return tf.nn.bias_add(convolve(inputs, kernel), bias)
