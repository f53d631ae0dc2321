"""A convolutional network with a bounded Lipschitz constant."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.convolution import convolve
from tfflows.networks.image_context import ConvConditioner
from tfflows.networks.lipschitz.network import LipschitzNetwork
from tfflows.networks.lipschitz.operator_bounds import log_conv_bound


@keras.saving.register_keras_serializable("tfflows")
class LipschitzConvNet(LipschitzNetwork, ConvConditioner):
    """Convolutions g of 3x3, 1x1 and 3x3: ||g(x) - g(y)|| <= lipschitz ||x - y||.

    The bound is of whole images, in the sense of `LipschitzMLP`. It maps `[B, H, W, C]`
    to `[B, H, W, C]` and starts as g = 0.

    Source: the layers of Chen et al., "Residual Flows for Invertible Generative
    Modeling", 2019, arXiv 1906.02735, and of the authors' code.

    Args:
      width: Channels between the convolutions.
      activation: As in `LipschitzMLP`.
      lipschitz: As in `LipschitzMLP`.
      norm: As in `LipschitzMLP`.
      context_dim: Channels C of a context that the first layer also sees, as in
        `ConvNet`, without a bound; None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If a word is unknown or a number out of range; on call, if the context
        is missing.
    """

    def __init__(
        self,
        width: int,
        activation: str = "lipswish",
        lipschitz: float = 0.9,
        norm: str = "2",
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, lipschitz, norm, context_dim=context_dim, **kwargs)
        self.width = check_count("width", width)

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        self._shape_with_context(input_shape)  # checks it, and keeps the sides
        channels, width = tuple(input_shape)[-1], self.width
        sizes = [(3, channels, width), (1, width, width), (3, width, channels)]
        shapes = [(side, side, *channels) for side, *channels in sizes]
        self._create(shapes, self.context_dim)

    def _log_bound(self, kernel: tf.Tensor) -> tf.Tensor:
        return log_conv_bound(kernel, self._sides, self.norm)

    def _linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return convolve(x, kernel)

    def _with_its_context(self, x: tf.Tensor, context: Any) -> tf.Tensor:
        return self._with_context(x, context)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "width": self.width}
