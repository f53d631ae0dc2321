"""A U-Net of images and a time, for the velocities of continuous flows."""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checkpointing import CheckpointsAllWeights

_FREQUENCIES = 8  # of the time's sines and cosines
_GROUPS = 8


@keras.saving.register_keras_serializable("tfflows")
class UNet(CheckpointsAllWeights, keras.layers.Layer):
    """A convolutional network on several scales, with a velocity for each pixel.

    Level l has images of 1/2^l of the sides, and (l + 1) width channels. Each level has
    a residual block on the way down and one on the way up, which also sees the images
    that went down: h + conv(swish(norm(conv(swish(norm(h))) + e))), e a linear map of
    sines and cosines of the time and of the context. Images are halved by
    `space_to_depth`, and a last convolution starts at zero.

    A small form, without attention, of the network of Ho et al., "Denoising Diffusion
    Probabilistic Models", 2020, arXiv 2006.11239, appendix B.

    Args:
      width: Channels of the first level.
      num_levels: Number of levels; 2^(num_levels - 1) has to divide both sides.
      context_dim: Size C of a context `[B, C]`; None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If sizes are not positive integers; on `build`, for values that are no
        images, or whose sides the levels cannot halve; on call, if the context is
        missing.
    """

    def __init__(
        self,
        width: int = 32,
        num_levels: int = 2,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width = check_count("width", width)
        self.num_levels = check_count("num_levels", num_levels)
        if context_dim is not None:
            context_dim = check_count("context_dim", context_dim)
        self.context_dim = context_dim

    def build(self, input_shape: Any, *_: Any) -> None:
        """Creates the layers."""
        shape, unit = tuple(input_shape), 2 ** (self.num_levels - 1)
        if len(shape) != 4 or any(not s or s % unit for s in shape[1:3]):
            raise ValueError(
                f"{self.name}: expected images (batch, height, width, channels) with "
                f"sides divisible by {unit} for num_levels={self.num_levels}, "
                f"got {shape}"
            )
        embedded = 2 * _FREQUENCIES + (self.context_dim or 0)
        self.embedding = self._dense(embedded, 4 * self.width)
        widths = [(level + 1) * self.width for level in range(self.num_levels)]
        self.first = self._conv(shape[-1], widths[0])
        self.downs = [self._block(w, w) for w in widths]
        self.ups = [self._block(2 * w, w) for w in widths]
        steps = list(itertools.pairwise(widths))
        self.halve = [self._conv(4 * fine, coarse, 1) for fine, coarse in steps]
        self.double = [self._conv(coarse, 4 * fine, 1) for fine, coarse in steps]
        self.norm = self._norm(widths[0])
        self.last = self._conv(widths[0], shape[-1], zero=True)

    def _dense(self, inputs: int, units: int) -> keras.layers.Layer:
        layer = keras.layers.Dense(units, dtype=self.dtype_policy)
        layer.build((None, inputs))
        return layer

    def _conv(
        self, inputs: int, filters: int, size: int = 3, zero: bool = False
    ) -> keras.layers.Layer:
        layer = keras.layers.Conv2D(
            filters,
            size,
            padding="same",
            data_format="channels_last",
            kernel_initializer="zeros" if zero else "glorot_uniform",
            dtype=self.dtype_policy,
        )
        layer.build((None, None, None, inputs))
        return layer

    def _norm(self, channels: int) -> keras.layers.Layer:
        groups = math.gcd(channels, _GROUPS)
        layer = keras.layers.GroupNormalization(groups, dtype=self.dtype_policy)
        layer.build((None, None, None, channels))
        return layer

    def _block(self, inputs: int, outputs: int) -> list[keras.layers.Layer]:
        return [
            self._norm(inputs),
            self._conv(inputs, outputs),
            self._dense(4 * self.width, outputs),
            self._norm(outputs),
            self._conv(outputs, outputs),
            self._conv(inputs, outputs, 1),
        ]

    def call(self, x: tf.Tensor, t: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps images `[B, H, W, C]` and times `[B, 1]` to velocities as the images.

        Args:
          x: The images.
          t: The times, between 0 and 1.
          context: None, or `[B, context_dim]`.
        """
        embedded = tf.nn.swish(self.embedding(self._told(t, context, x.dtype)))
        hidden, kept = self.first(x), []
        for level, block in enumerate(self.downs):
            if level:
                hidden = self.halve[level - 1](tf.nn.space_to_depth(hidden, 2))
            hidden = _residual(block, hidden, embedded)
            kept.append(hidden)
        for level in reversed(range(self.num_levels)):
            hidden = tf.concat([hidden, kept[level]], axis=-1)
            hidden = _residual(self.ups[level], hidden, embedded)
            if level:
                hidden = tf.nn.depth_to_space(self.double[level - 1](hidden), 2)
        return self.last(tf.nn.swish(self.norm(hidden)))

    def _told(self, t: tf.Tensor, context: Any, dtype: Any) -> tf.Tensor:
        frequencies = np.pi * 2.0 ** np.linspace(-1.0, 4.0, _FREQUENCIES)
        angles = tf.cast(t, dtype) * tf.constant(frequencies[np.newaxis], dtype)
        told = [tf.sin(angles), tf.cos(angles)]
        if self.context_dim is not None:
            if context is None:
                raise ValueError(
                    f"{self.name}: expected a context of shape "
                    f"{(None, self.context_dim)}, got None"
                )
            told.append(tf.cast(context, dtype))
        return tf.concat(told, axis=-1)

    def compute_output_shape(self, input_shape: Any, *_: Any, **kwargs: Any) -> tuple:
        """Returns the images' shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("width", "num_levels", "context_dim")
        return {**super().get_config(), **{k: getattr(self, k) for k in names}}


def _residual(
    block: list[keras.layers.Layer], value: tf.Tensor, embedded: tf.Tensor
) -> tf.Tensor:
    norm, conv, shift, second_norm, second_conv, direct = block
    hidden = conv(tf.nn.swish(norm(value)))
    hidden += shift(embedded)[:, tf.newaxis, tf.newaxis, :]
    return direct(value) + second_conv(tf.nn.swish(second_norm(hidden)))
