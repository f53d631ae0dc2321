"""Glow's convolutional conditioner."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.convolution import convolve
from tfflows.networks.image_context import ConvConditioner


@keras.saving.register_keras_serializable("tfflows")
class ConvNet(ConvConditioner):
    """A 3x3 and a 1x1 convolution of equal width, each followed by a ReLU.

    h_1 = relu(a_1 K_1 * x + b_1), h_2 = relu(a_2 K_2 * h_1 + b_2) with a scale a =
    exp(log_gain) and a shift b per channel, which replace the authors' activation
    normalisation of hidden layers. The kernels start at unit gain and need no
    initialisation from data. Maps `[B, H, W, C]` to features `[B, H, W, width]`; a
    coupling adds the last 3x3 convolution (head "glow").

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, section 3.3.

    Args:
      width: Channels of both layers.
      context_dim: Channels C of a context that the first layer also sees: an image `[B,
        h, w, C]`, averaged or repeated to the sides of the input, or a vector `[B, C]`.
        None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If sizes are not positive integers; on call, if the context is
        missing.
    """

    def __init__(
        self, width: int, context_dim: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(context_dim, **kwargs)
        self.width = check_count("width", width)

    def build(self, input_shape: Any) -> None:
        """Creates the two layers' weights in this layer itself.

        A flow has hundreds of these networks, and nested layers would take most of the
        tracing time.
        """
        channels = self._shape_with_context(input_shape)[-1]
        self.layers = [
            self._add_layer(f"conv_{k}", shape)
            for k, shape in enumerate(
                [(3, 3, channels, self.width), (1, 1, self.width, self.width)]
            )
        ]

    def _add_layer(self, name: str, shape: tuple[int, ...]) -> list[keras.Variable]:
        kernel = self.add_weight(
            shape=shape, initializer="he_normal", name=f"{name}_kernel"
        )
        log_gain, bias = [
            self.add_weight(
                shape=shape[-1:], initializer="zeros", name=f"{name}_{kind}"
            )
            for kind in ("log_gain", "bias")
        ]
        return [kernel, log_gain, bias]

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, H, W, C]` (and a context) to `[B, H, W, width]`."""
        hidden = self._with_context(inputs, context)
        for weights in self.layers:
            kernel, log_gain, bias = [tf.convert_to_tensor(w) for w in weights]
            # Apply the gain to the kernel, which is smaller than the image.
            hidden = convolve(hidden, kernel * tf.exp(log_gain))
            hidden = tf.nn.relu(tf.nn.bias_add(hidden, bias))
        return hidden

    def compute_output_shape(
        self, input_shape: Any, **kwargs: Any
    ) -> tuple[int | None, ...]:
        """Returns the input's shape with `width` on the last axis."""
        return (*tuple(input_shape)[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "width": self.width}
