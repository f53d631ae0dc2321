"""Flow++'s conditioner: gated convolutions and self-attention."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.convolution import convolve
from tfflows.backend.weight_kinds import mark_elementwise
from tfflows.networks.image_context import ConvConditioner

# Scale of the kernels before a gate: each block starts close to the identity.
_GATE_SCALE = 0.1
_EPSILON = 1e-5

_Weights = tuple[keras.Variable, keras.Variable]


@keras.saving.register_keras_serializable("tfflows")
class GatedAttentionNet(ConvConditioner):
    """A residual network of gated convolutions and gated self-attention.

    With e(h) = elu([h, -h]), gate([a, b]) = a sigmoid(b), N a layer normalisation and P
    a learned position embedding, h_0 = K_0 * x and each block computes

      h <- N(h + gate(V e(K * e(h)))),  h <- N(h + gate(W attention(h + P)))

    with K a 3x3 convolution, V and W matrices at each pixel, and attention of several
    heads between all pixels. Maps `[B, H, W, C]` to `[B, H, W, width]`; a coupling adds
    the output layer. Memory and time grow with (H W)^2.

    The authors also drop units out, which would make a flow's map random while it
    trains, and initialise the weights from data. We do neither: kernels start at unit
    gain. A context enters at the first layer, not in each block.

    Source: Ho et al., "Flow++", 2019, arXiv 1902.00275, section 3.2; the details
    are those of the authors' code.

    Args:
      width: Channels of each layer.
      num_blocks: Number of blocks.
      num_heads: Heads of the attention; they divide `width`.
      context_dim: Channels C of a context that the first layer also sees: an image `[B,
        h, w, C]`, averaged or repeated to the sides of the input, or a vector `[B, C]`.
        None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If sizes are not positive integers or heads do not divide the width;
        on call, if the context is missing.
    """

    def __init__(
        self,
        width: int,
        num_blocks: int = 2,
        num_heads: int = 4,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context_dim, **kwargs)
        self.width = check_count("width", width)
        self.num_blocks = check_count("num_blocks", num_blocks)
        self.num_heads = check_count("num_heads", num_heads)
        if self.width % self.num_heads:
            raise ValueError(
                f"expected num_heads that divides width={width}, got {num_heads}"
            )

    def build(self, input_shape: Any) -> None:
        """Creates all weights in this layer itself (see `ConvNet`)."""
        channels, width = self._shape_with_context(input_shape)[-1], self.width
        self.first = self._linear("first", (3, 3, channels, width))
        self.positions = mark_elementwise(
            self.add_weight(
                shape=(*self._sides, width),
                initializer=keras.initializers.RandomNormal(stddev=0.01),
                name="positions",
            )
        )
        self.blocks = [self._block(f"block_{k}") for k in range(self.num_blocks)]

    def _block(self, name: str) -> list[_Weights]:
        width = self.width
        return [
            self._linear(f"{name}_conv", (3, 3, 2 * width, width)),
            self._gate(f"{name}_conv_gate", 2 * width),
            self._norm(f"{name}_conv_norm"),
            self._linear(f"{name}_attention", (1, 1, width, 3 * width)),
            self._gate(f"{name}_attention_gate", width),
            self._norm(f"{name}_attention_norm"),
        ]

    def _gate(self, name: str, channels: int) -> _Weights:
        return self._linear(name, (1, 1, channels, 2 * self.width), _GATE_SCALE)

    def _linear(
        self, name: str, shape: tuple[int, ...], scale: float = 1.0
    ) -> _Weights:
        start = keras.initializers.VarianceScaling(scale**2, "fan_in", "normal")
        kernel = self.add_weight(shape=shape, initializer=start, name=f"{name}_kernel")
        return kernel, self._vector(f"{name}_bias", shape[-1], "zeros")

    def _norm(self, name: str) -> _Weights:
        gain = self._vector(f"{name}_gain", self.width, "ones")
        return gain, self._vector(f"{name}_bias", self.width, "zeros")

    def _vector(self, name: str, size: int, start: str) -> keras.Variable:
        return self.add_weight(shape=(size,), initializer=start, name=name)

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, H, W, C]` (and a context) to `[B, H, W, width]`."""
        hidden = _affine(self._with_context(inputs, context), self.first)
        for conv, conv_gate, conv_norm, qkv, gate, norm in self.blocks:
            update = _affine(_concat_elu(hidden), conv)
            update = _affine(_concat_elu(update), conv_gate)
            hidden = _normalized(hidden + _gated(update), conv_norm)
            placed = hidden + tf.convert_to_tensor(self.positions)
            update = _affine(self._attention(_affine(placed, qkv)), gate)
            hidden = _normalized(hidden + _gated(update), norm)
        return hidden

    def _attention(self, projected: tf.Tensor) -> tf.Tensor:
        """Maps queries, keys, values `[B, H, W, 3 width]` to `[B, H, W, width]`."""
        pixels, size = math.prod(self._sides), self.width // self.num_heads
        parts = tf.reshape(projected, (-1, pixels, 3, self.num_heads, size))
        query, key, value = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        scores = tf.matmul(query * size**-0.5, key, transpose_b=True)
        attended = tf.matmul(tf.nn.softmax(scores), value)  # [B, heads, pixels, size]
        attended = tf.transpose(attended, [0, 2, 1, 3])
        return tf.reshape(attended, (-1, *self._sides, self.width))

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
            "num_heads": self.num_heads,
        }


def _affine(inputs: tf.Tensor, weights: _Weights) -> tf.Tensor:
    kernel, bias = [tf.convert_to_tensor(weight) for weight in weights]
    return tf.nn.bias_add(convolve(inputs, kernel), bias)


def _concat_elu(hidden: tf.Tensor) -> tf.Tensor:
    return tf.nn.elu(tf.concat([hidden, -hidden], axis=-1))


def _gated(update: tf.Tensor) -> tf.Tensor:
    values, gates = tf.split(update, 2, axis=-1)
    return values * tf.sigmoid(gates)


def _normalized(hidden: tf.Tensor, weights: _Weights) -> tf.Tensor:
    gain, bias = [tf.convert_to_tensor(weight) for weight in weights]
    mean, variance = tf.nn.moments(hidden, axes=[-1], keepdims=True)
    return (hidden - mean) * tf.math.rsqrt(variance + _EPSILON) * gain + bias
