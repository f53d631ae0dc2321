"""Contexts of convolutional conditioners: images, or vectors for all pixels."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checkpointing import CheckpointsAllWeights


class ConvConditioner(CheckpointsAllWeights, keras.layers.Layer):
    """A convolutional conditioner that receives the context as extra input channels.

    A context is an image `[B, h, w, C]`, resized to the input, or a vector `[B, C]`,
    the same at every pixel. A larger image is averaged over blocks of pixels, a smaller
    one is repeated, so each level of a multi-scale model gets it at its own size.

    Args:
      context_dim: Channels C of the context; None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If context_dim is not a positive integer.
    """

    def __init__(self, context_dim: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if context_dim is not None:
            context_dim = check_count("context_dim", context_dim)
        self.context_dim = context_dim

    def _shape_with_context(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns the input's shape `(B, H, W, C)` plus the context's channels."""
        *rest, channels = tuple(input_shape)
        if len(rest) != 3:
            raise ValueError(
                f"{self.name}: expected images (batch, height, width, channels), got "
                f"shape {tuple(input_shape)}"
            )
        self._sides = tuple(rest[1:])
        return (*rest, channels + (self.context_dim or 0))

    def _with_context(self, inputs: tf.Tensor, context: Any) -> tf.Tensor:
        if self.context_dim is None:
            return inputs
        self.check_context(None if context is None else tuple(context.shape[1:]))
        context = tf.cast(context, inputs.dtype)
        if context.shape.rank == 2:
            context = context[:, tf.newaxis, tf.newaxis, :]
        for axis, size in enumerate(self._sides, 1):
            context = _resized(context, axis, size)
        return tf.concat([inputs, context], axis=-1)

    def check_context(
        self, shape: tuple[int | None, ...] | None, dtype: Any = None
    ) -> None:
        """Raises ValueError unless the network accepts contexts of this shape.

        Args:
          shape: Shape of one context; None without a context.
          dtype: Dtype of the context; any is accepted.
        """
        del dtype
        size = self.context_dim
        if size is None or shape == (size,):
            return
        if shape is None or len(shape) != 3 or shape[-1] != size:
            raise ValueError(
                f"expected a context of shape ({size},) or (height, width, {size}) for "
                f"{self.name}, got {shape}"
            )
        sides = zip(shape[:-1], self._sides, strict=True)
        if any(one is None or (one % own and own % one) for one, own in sides):
            raise ValueError(
                f"expected a context whose sides are multiples or divisors of "
                f"{self._sides}, those of the images that {self.name} sees, got {shape}"
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "context_dim": self.context_dim}


def _resized(images: tf.Tensor, axis: int, size: int) -> tf.Tensor:
    """Resizes images along one axis, by averaging or repeating pixels."""
    now = images.shape[axis]
    if now == size:
        return images
    if now < size:
        return tf.repeat(images, size // now, axis=axis)
    sizes = tf.shape(images)
    blocks = [sizes[:axis], [size, now // size], sizes[axis + 1 :]]
    means = tf.reduce_mean(tf.reshape(images, tf.concat(blocks, axis=0)), axis=axis + 1)
    shape = images.shape.as_list()
    return tf.ensure_shape(means, (*shape[:axis], size, *shape[axis + 1 :]))


@keras.saving.register_keras_serializable("tfflows")
class BlocksToChannels(keras.layers.Layer):
    """Maps images `[B, H, W, C]` to `[B, H/2, W/2, 4C]`, as `Squeeze` does."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Maps `[B, H, W, C]` to `[B, H/2, W/2, 4C]`."""
        return tf.nn.space_to_depth(images, 2)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape with half the sides and four times the channels."""
        batch, height, width, channels = tuple(input_shape)
        return (batch, height // 2, width // 2, 4 * channels)
