"""One block of a transformer whose positions see themselves and earlier ones."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checkpointing import CheckpointsAllWeights


@keras.saving.register_keras_serializable("tfflows")
class CausalBlock(CheckpointsAllWeights, keras.layers.Layer):
    """h + attention(LN(h)), and then h + dense(gelu(dense(LN(h)))).

    The attention of position t is that to positions 0 .. t:
    softmax(q_t k^T / sqrt(size)) v, in each head.

    Source: Vaswani et al., "Attention Is All You Need", 2017, arXiv 1706.03762,
    equation 1, with the normalization before each part.

    Args:
      width: Size of a position's features.
      num_heads: Heads of the attention; they divide `width`.
      expansion: Width of the dense layer, in units of `width`.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If an argument is out of range, or the heads do not divide the width.
    """

    def __init__(
        self, width: int, num_heads: int, expansion: int = 4, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.width = check_count("width", width)
        self.num_heads = check_count("num_heads", num_heads)
        self.expansion = check_count("expansion", expansion)
        if width % num_heads:
            raise ValueError(
                f"expected num_heads that divides width={width}, got {num_heads}"
            )
        policy = {"dtype": self.dtype_policy}
        self._norms = [
            keras.layers.LayerNormalization(epsilon=1e-5, **policy) for _ in range(2)
        ]
        self._projections = keras.layers.Dense(3 * width, **policy)
        self._attended = keras.layers.Dense(width, **policy)
        self._wide = keras.layers.Dense(expansion * width, "gelu", **policy)
        self._narrow = keras.layers.Dense(width, **policy)

    def build(self, input_shape: Any) -> None:
        """Creates the layers."""
        shape = tuple(input_shape)
        for layer in (*self._norms, self._projections, self._attended, self._wide):
            layer.build(shape)
        self._narrow.build((*shape[:-1], self.expansion * self.width))

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Maps all positions `[B, T, width]`."""
        query, keys, values = self._heads(hidden)  # [B, T, heads, size] each
        scores = tf.einsum("bqhd,bkhd->bhqk", query, keys)
        length = tf.shape(hidden)[1]
        seen = tf.linalg.band_part(tf.ones([length, length], tf.bool), -1, 0)
        weights = _attention(scores, seen)
        return self._rest(hidden, tf.einsum("bhqk,bkhd->bqhd", weights, values))

    def advance(
        self, hidden: tf.Tensor, t: tf.Tensor, keys: tf.Tensor, values: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Maps position t, given keys and values of those before it.

        Args:
          hidden: `[B, width]`.
          t: Its number.
          keys: `[B, heads, T, size]`, of which positions t and later are not used.
          values: The same.

        Returns:
          `[B, width]`, and keys and values with those of position t.
        """
        query, key, value = self._heads(hidden)  # [B, heads, size] each
        places = _places(t, tf.shape(key)[:2])
        keys = tf.tensor_scatter_nd_update(keys, places, key)
        values = tf.tensor_scatter_nd_update(values, places, value)
        # Products of matrices as they lie in memory; `tf.einsum` would copy the keys.
        scores = tf.matmul(query[:, :, tf.newaxis], keys, transpose_b=True)
        weights = _attention(scores, tf.range(tf.shape(keys)[2]) <= t)
        attended = tf.matmul(weights, values)[:, :, 0]
        return self._rest(hidden, attended), keys, values

    def _heads(self, hidden: tf.Tensor) -> list[tf.Tensor]:
        """Returns scaled queries, keys and values `[..., heads, size]`."""
        size = self.width // self.num_heads
        projected = self._projections(self._norms[0](hidden))
        leading = tf.shape(projected)[:-1]
        parts = [
            tf.reshape(part, tf.concat([leading, [self.num_heads, size]], axis=0))
            for part in tf.split(projected, 3, axis=-1)
        ]
        return [parts[0] / math.sqrt(size), *parts[1:]]

    def _rest(self, hidden: tf.Tensor, attended: tf.Tensor) -> tf.Tensor:
        hidden += self._attended(tf.reshape(attended, tf.shape(hidden)))
        return hidden + self._narrow(self._wide(self._norms[1](hidden)))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("width", "num_heads", "expansion")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _places(t: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Indices `[B, heads, 3]` of position t of each row and head."""
    rows, heads = tf.meshgrid(tf.range(sizes[0]), tf.range(sizes[1]), indexing="ij")
    return tf.stack([rows, heads, tf.fill(sizes, t)], axis=-1)


def _attention(scores: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Weights `[..., K]` of what is seen, of scores `[..., K]`."""
    hidden = tf.constant(scores.dtype.min, scores.dtype)
    return tf.nn.softmax(tf.where(seen, scores, hidden), axis=-1)
