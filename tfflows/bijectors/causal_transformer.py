"""A transformer over the tokens of a sequence, which sees earlier tokens alone."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.bijectors.causal_block import CausalBlock

State = tuple[tf.Tensor, ...]


@keras.saving.register_keras_serializable("tfflows")
class CausalTransformer(CheckpointsAllWeights, keras.layers.Layer):
    """Maps tokens `[B, T, C]` to parameters `[B, T, num_params * C]`.

    The parameters of token t depend on tokens before t, on its position and on the
    context: position t is fed with token t - 1, and the first one with a learned start.
    They are zero until training changes the last layer.

    Sources: Vaswani et al., "Attention Is All You Need", 2017, arXiv 1706.03762, with
    layer normalization before each part; Zhai et al., "Normalizing Flows are Capable
    Generative Models", 2024, arXiv 2412.06329, section 2.3.

    Args:
      num_layers: Number of blocks.
      width: Size of a position's features.
      num_heads: Heads of each attention; they divide `width`.
      num_params: Parameters per element of a token; a step that gets the network
        without it sets its own.
      expansion: Width of a block's dense layer, in units of `width`.
      context_dim: Size of context vectors; None: no context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If an argument is out of range or the heads do not divide the width;
        on call, if a context is missing, not expected, or of another size.
    """

    def __init__(
        self,
        num_layers: int,
        width: int,
        num_heads: int,
        num_params: int | None = None,
        expansion: int = 4,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_layers = check_count("num_layers", num_layers)
        for name, size in (("num_params", num_params), ("context_dim", context_dim)):
            if size is not None:
                check_count(name, size)
        self.num_params, self.context_dim = num_params, context_dim
        policy = {"dtype": self.dtype_policy}
        self.blocks = [
            CausalBlock(width, num_heads, expansion, **policy)
            for _ in range(num_layers)
        ]
        first = self.blocks[0]
        self.width, self.num_heads = first.width, first.num_heads
        self.expansion = first.expansion
        self._embed = keras.layers.Dense(width, **policy)
        self._told = keras.layers.Dense(width, use_bias=False, **policy)
        self._norm = keras.layers.LayerNormalization(epsilon=1e-5, **policy)

    def build(self, input_shape: Any) -> None:
        """Creates the weights for `[batch, T, C]`."""
        if self.num_params is None:
            raise ValueError(f"{self.name}: expected num_params, got None")
        length, channels = (int(size) for size in tuple(input_shape)[-2:])
        self.length, hidden = length, (None, length, self.width)
        self._embed.build((None, length, channels))
        if self.context_dim is not None:
            self._told.build((None, self.context_dim))
        for block in self.blocks:
            block.build(hidden)
        self._norm.build(hidden)
        self._last = keras.layers.Dense(
            self.num_params * channels,
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
        )
        self._last.build(hidden)
        # Position 0 has no token before it: what it starts from is part of this.
        self.positions = self.add_weight(
            shape=(length, self.width),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="positions",
        )

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, T, C]` (and context `[B, context_dim]`) to all parameters."""
        before = self._embed(inputs[:, :-1])
        hidden = tf.pad(before, [[0, 0], [1, 0], [0, 0]])
        hidden += tf.cast(self.positions, hidden.dtype)
        shift = self._context_shift(context)
        if shift is not None:
            hidden += shift[:, tf.newaxis]
        for block in self.blocks:
            hidden = block(hidden)
        return self._last(self._norm(hidden))

    def _context_shift(self, context: Any) -> tf.Tensor | None:
        if self.context_dim is None:
            return None
        expected = (None, self.context_dim)
        if context is None or not context.shape.is_compatible_with(expected):
            got = None if context is None else tuple(context.shape)
            raise ValueError(
                f"{self.name}: expected a context of shape {expected}, got {got}"
            )
        return self._told(tf.cast(context, self.compute_dtype))

    def steps(self, context: Any = None) -> CausalSteps:
        """Returns the network for token-by-token evaluation."""
        return CausalSteps(self, context)

    def compute_output_shape(self, input_shape: Any, **kwargs: Any) -> tuple:
        """Returns the input's shape with num_params times its last axis."""
        return (*tuple(input_shape)[:-1], self.num_params * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("num_layers", "width", "num_heads", "num_params", "expansion")
        own = {name: getattr(self, name) for name in (*names, "context_dim")}
        return {**super().get_config(), **own}


class CausalSteps:
    """Evaluates a `CausalTransformer` token by token, to sample from a flow.

    Each step computes one position. It keeps the keys and values of the positions
    before it, so that T steps cost T passes of one position, not of all.

    Args:
      network: A built `CausalTransformer`.
      context: None or `[B, context_dim]`.
    """

    def __init__(self, network: CausalTransformer, context: Any) -> None:
        self._network = network
        self._shift = network._context_shift(context)

    def initial_state(self, batch_size: tf.Tensor) -> State:
        """Returns empty keys and values of each block, `[B, heads, T, size]` each."""
        network = self._network
        shape = [batch_size, network.num_heads, network.length]
        shape.append(network.width // network.num_heads)
        caches = 2 * network.num_layers
        return tuple(tf.zeros(shape, network.compute_dtype) for _ in range(caches))

    def advance(
        self, t: tf.Tensor, x: tf.Tensor, state: State
    ) -> tuple[tf.Tensor, State]:
        """Computes the parameters of token t from the tokens before it.

        Args:
          t: Number of known tokens, 0 .. T - 1; grows by one per step.
          x: Tokens `[T, B, C]`; of rows t and later nothing is used.
          state: The state that the previous step returned.

        Returns:
          `[B, num_params * C]`, and the new state.
        """
        network = self._network
        before = network._embed(x[tf.maximum(t - 1, 0)])
        hidden = tf.where(t > 0, before, tf.zeros_like(before))
        hidden += tf.cast(network.positions, hidden.dtype)[t]
        if self._shift is not None:
            hidden += self._shift
        caches: list[tf.Tensor] = []
        for block, keys, values in zip(
            network.blocks, state[::2], state[1::2], strict=True
        ):
            hidden, keys, values = block.advance(hidden, t, keys, values)
            caches += [keys, values]
        return network._last(network._norm(hidden)), tuple(caches)
