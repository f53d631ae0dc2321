"""A network for sets whose elements attend to each other."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.networks.set_pooling import check_set, elements, with_log_size


@keras.saving.register_keras_serializable("tfflows")
class AttentionBlock(CheckpointsAllWeights, keras.layers.Layer):
    """MAB(x, y) = LN(h + relu(Dense(h))), h = LN(x + attention of x to y).

    Source: Lee et al., "Set Transformer: A Framework for Attention-based
    Permutation-Invariant Neural Networks", 2019, arXiv 1810.00825, equations 6 and 7.

    Args:
      width: Size of x and of the output.
      num_heads: Heads of the attention; they divide `width`.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If the heads do not divide the width.
    """

    def __init__(self, width: int, num_heads: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = check_count("width", width)
        self.num_heads = check_count("num_heads", num_heads)
        if width % num_heads:
            raise ValueError(
                f"expected num_heads that divides width={width}, got {num_heads}"
            )
        self.supports_masking = True
        policy = {"dtype": self.dtype_policy}
        key_dim = width // num_heads
        self._attention = keras.layers.MultiHeadAttention(num_heads, key_dim, **policy)
        self._dense = keras.layers.Dense(width, "relu", **policy)
        self._norms = [keras.layers.LayerNormalization(**policy) for _ in range(2)]

    def build(self, x_shape: Any, y_shape: Any) -> None:
        """Creates the layers."""
        self._attention.build(tuple(x_shape), tuple(y_shape))
        self._dense.build(tuple(x_shape))
        for norm in self._norms:
            norm.build(tuple(x_shape))

    def call(self, x: tf.Tensor, y: tf.Tensor, present: Any = None) -> tf.Tensor:
        """Maps x `[B, M, W]`, y `[B, N, W]`, present `[B, 1, N]` to `[B, M, W]`."""
        attended = self._attention(x, y, attention_mask=present)
        hidden = self._norms[0](x + attended)
        return self._norms[1](hidden + self._dense(hidden))

    def compute_output_shape(self, x_shape: Any, y_shape: Any) -> Any:
        """Returns the shape of x."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"width": self.width, "num_heads": self.num_heads}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("tfflows")
class SetTransformer(CheckpointsAllWeights, keras.layers.Layer):
    """Self-attention between elements, then attention of learned seeds to them.

    Maps sets `[B, N, D]` of any size N to `[B, num_seeds * width + 1]`; the last number
    is log N. It sees pairs of elements, which `DeepSet` does not, at a cost of N^2.

    Source: Lee et al., "Set Transformer: A Framework for Attention-based
    Permutation-Invariant Neural Networks", 2019, arXiv 1810.00825, equations 6 to 12,
    with attention to all elements (SAB), not to inducing points.

    Args:
      width: Size of an element's features.
      num_heads: Heads of each attention; they divide `width`.
      num_layers: Number of self-attentions.
      num_seeds: Number of vectors after pooling.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If an argument is out of range; on call, if inputs are no sets.
    """

    def __init__(
        self,
        width: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        num_seeds: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width, self.num_heads = check_count("width", width), num_heads
        self.num_layers = check_count("num_layers", num_layers)
        self.num_seeds = check_count("num_seeds", num_seeds)
        self.supports_masking = True
        policy = {"dtype": self.dtype_policy}
        self._embed = keras.layers.Dense(width, **policy)
        self._layers_of_set = [
            AttentionBlock(width, num_heads, **policy) for _ in range(num_layers)
        ]
        self._pool = AttentionBlock(width, num_heads, **policy)

    def build(self, input_shape: Any) -> None:
        """Creates the layers and the seeds."""
        self._embed.build(tuple(input_shape))
        hidden = (None, None, self.width)
        for layer in self._layers_of_set:
            layer.build(hidden, hidden)
        seeds = (1, self.num_seeds, self.width)
        self._pool.build(seeds, hidden)
        self._seeds = self.add_weight(
            shape=seeds, initializer="glorot_uniform", name="seeds"
        )

    def call(self, inputs: tf.Tensor, mask: Any = None) -> tf.Tensor:
        """Maps `[B, N, D]`, mask `[B, N]` (False: padding), to `[B, features]`."""
        check_set(self.name, inputs)
        hidden = self._embed(inputs)
        seen = None if mask is None else tf.cast(mask, tf.bool)[:, tf.newaxis]
        for layer in self._layers_of_set:
            hidden = layer(hidden, hidden, present=seen)
        seeds = tf.cast(tf.convert_to_tensor(self._seeds), hidden.dtype)
        seeds = tf.repeat(seeds, tf.shape(hidden)[0], axis=0)
        pooled = self._pool(seeds, hidden, present=seen)
        pooled = tf.reshape(pooled, (-1, self.num_seeds * self.width))
        return with_log_size(pooled, elements(hidden, mask))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None, because the output has no elements."""

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns (batch, num_seeds * width + 1)."""
        return input_shape[0], self.num_seeds * self.width + 1

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
            "num_seeds": self.num_seeds,
        }
