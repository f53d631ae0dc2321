"""RealNVP's convolutional residual conditioner."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.checkpointing import CheckpointsAllWeights
from tfflows.checks import check_count
from tfflows.convolution import convolve


@keras.saving.register_keras_serializable("tfflows")
class ConvResNet(CheckpointsAllWeights, keras.layers.Layer):
    """A residual network of weight-normalised 3x3 convolutions.

    h_0 = V_0 * x, then h_{k+1} = h_k + V''_k * relu(V'_k * relu(h_k)), features
    relu(h_N). Each convolution is g V / ||V|| * h + b with a gain g per channel, 1 at
    first, and 0 for V'', so that each block starts as the identity. Maps
    `[B, H, W, C]` to `[B, H, W, width]`; a coupling adds the output layer (head
    "weight_norm").

    The paper normalises hidden batches too; weight normalisation alone keeps training,
    evaluation and export one map.

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    section 3.3 and 4.1; Salimans and Kingma, "Weight Normalization", 2016, arXiv
    1602.07868.

    Args:
      width: Channels of each layer.
      num_blocks: Number of residual blocks.
      **kwargs: Those of `keras.layers.Layer`.

    Raises:
      ValueError: For a width or number that is no positive integer.
    """

    def __init__(self, width: int, num_blocks: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_count("width", width)
        self.width = int(width)
        check_count("num_blocks", num_blocks)
        self.num_blocks = int(num_blocks)

    def build(self, input_shape: Any) -> None:
        """Creates the convolutions' weights, in this layer itself (see `ConvNet`)."""
        self.first = self._add_conv("first", int(input_shape[-1]), "ones")
        self.blocks = [
            [
                self._add_conv(f"block_{k}_inner", self.width, "ones"),
                self._add_conv(f"block_{k}_outer", self.width, "zeros"),
            ]
            for k in range(self.num_blocks)
        ]

    def _add_conv(self, name: str, channels: int, gain: str) -> list[keras.Variable]:
        kernel = self.add_weight(
            shape=(3, 3, channels, self.width),
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

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` -> `[B, H, W, width]`."""
        hidden = _convolve(inputs, self.first)
        for inner, outer in self.blocks:
            update = _convolve(tf.nn.relu(hidden), inner)
            hidden += _convolve(tf.nn.relu(update), outer)
        return tf.nn.relu(hidden)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The input's shape with `width` on the last axis."""
        return (*tuple(input_shape)[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"width": self.width, "num_blocks": self.num_blocks}
        return {**super().get_config(), **own}


def _convolve(inputs: tf.Tensor, weights: list[keras.Variable]) -> tf.Tensor:
    kernel, gain, bias = [tf.convert_to_tensor(weight) for weight in weights]
    kernel = gain * tf.math.l2_normalize(kernel, axis=[0, 1, 2])
    return tf.nn.bias_add(convolve(inputs, kernel), bias)
