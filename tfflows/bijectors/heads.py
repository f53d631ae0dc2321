"""A coupling's last layer: from a conditioner's features to the law's parameters.

Each starts at zero outputs, so that every coupling starts as the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_word
from tfflows.backend.convolution import convolve

HEADS = ("auto", "glow", "weight_norm", "pointwise")


def make_head(
    head: str | Callable[[int], keras.layers.Layer],
    num_outputs: int,
    features: tuple[int | None, ...],
    dtype: Any,
    in_columns: bool = False,
) -> keras.layers.Layer:
    """Returns the head for features of a shape.

    Args:
      head: One of `HEADS`, or a function of the number of outputs.
      num_outputs: Size of the head's last axis.
      features: Shape of the conditioner's output, `(batch, F)` or `(batch, H, W, F)`.
      dtype: Keras dtype policy of the head.
      in_columns: Whether to return a `DenseInColumns` if the head is a plain Dense.

    Raises:
      ValueError: If features have another rank or the function returns no layer.
    """
    if callable(head):
        layer = head(num_outputs)
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(
                "expected a head that is a function of the number of outputs to a "
                f"Keras layer, got one to {layer!r}"
            )
        return layer
    if len(features) not in (2, 4):
        raise ValueError(
            "expected a conditioner that returns features (batch, F) or "
            f"(batch, H, W, F), got {features}"
        )
    cls = {"glow": GlowHead, "weight_norm": WeightNormHead}.get(head)
    if cls is not None:
        return cls(num_outputs, dtype=dtype)
    zeros: dict[str, Any] = {"kernel_initializer": "zeros", "dtype": dtype}
    if len(features) == 2:
        dense = DenseInColumns if in_columns else keras.layers.Dense
        return dense(num_outputs, **zeros)
    layout = {"padding": "same", "data_format": "channels_last"}
    window = 1 if head == "pointwise" else 3
    return HeadConv2D(num_outputs, window, **layout, **zeros)


def check_head(head: Any) -> Any:
    """Checks a head: one of `HEADS`, or a function of the number of outputs.

    Raises:
      ValueError: For anything else.
    """
    return head if callable(head) else check_word("head", head, HEADS)


class DenseInColumns(keras.layers.Dense):
    """A linear map with bias that returns columns, `[B, F]` -> `[num_outputs, B]`."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Multiplies the transposed factors, which are smaller than the outputs."""
        del training
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = tf.matmul(tf.transpose(kernel), tf.transpose(inputs))
        return outputs + tf.convert_to_tensor(self.bias)[:, tf.newaxis]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns `(num_outputs, batch)`."""
        return (self.units, input_shape[0])


class HeadConv2D(keras.layers.Conv2D):
    """Keras' Conv2D with stride 1 and padding "same", computed by `convolve`."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Computes the convolution; called by Keras."""
        return convolve(inputs, tf.convert_to_tensor(kernel))


class _LinearHead(keras.layers.Layer):
    """A dense map of `[B, F]` or a 3x3 convolution of `[B, H, W, F]`, with a gain."""

    kernel_initializer: str

    def __init__(self, num_outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_outputs = check_count("num_outputs", num_outputs)

    def build(self, input_shape: Any) -> None:
        """Creates kernel, bias and gain."""
        window = () if len(input_shape) == 2 else (3, 3)
        shape = (*window, input_shape[-1], self.num_outputs)
        self.kernel = self.add_weight(
            shape=shape, initializer=self.kernel_initializer, name="kernel"
        )
        self.bias, self.gain = [
            self.add_weight(shape=shape[-1:], initializer="zeros", name=name)
            for name in ("bias", "gain")
        ]

    def _linear(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if inputs.shape.rank == 2:
            return tf.matmul(inputs, kernel)
        return convolve(inputs, kernel)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the input's shape with `num_outputs` on the last axis."""
        return (*tuple(input_shape)[:-1], self.num_outputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_outputs": self.num_outputs}


@keras.saving.register_keras_serializable("tfflows")
class GlowHead(_LinearHead):
    """Zero-initialised linear map times a gain: (W * x + b) exp(3 gain).

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, section 3.3, with the
    gain of the authors' code.

    Args:
      num_outputs: Size of the last axis.
      **kwargs: Arguments of `keras.layers.Layer`.
    """

    kernel_initializer = "zeros"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[B, ..., F]` to `[B, ..., num_outputs]`."""
        outputs = self._linear(inputs, tf.convert_to_tensor(self.kernel)) + self.bias
        return outputs * tf.exp(3.0 * self.gain)


@keras.saving.register_keras_serializable("tfflows")
class WeightNormHead(_LinearHead):
    """Weight-normalised linear map: gain * V / ||V|| * x + b, with gain 0 at first.

    Source: Salimans and Kingma, "Weight Normalization", 2016, arXiv 1602.07868,
    equation 2; the head of RealNVP's networks.

    Args:
      num_outputs: Size of the last axis.
      **kwargs: Arguments of `keras.layers.Layer`.
    """

    kernel_initializer = "glorot_normal"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[B, ..., F]` to `[B, ..., num_outputs]`."""
        kernel = tf.convert_to_tensor(self.kernel)
        direction = tf.math.l2_normalize(
            kernel, axis=list(range(kernel.shape.rank - 1))
        )
        return self._linear(inputs, direction) * self.gain + self.bias
