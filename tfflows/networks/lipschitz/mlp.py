"""A perceptron with a bounded Lipschitz constant."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_counts
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.networks.lipschitz.network import LipschitzNetwork
from tfflows.networks.lipschitz.operator_bounds import log_dense_bound


@keras.saving.register_keras_serializable("tfflows")
class LipschitzMLP(CheckpointsAllWeights, LipschitzNetwork):
    """A perceptron g: R^n -> R^n with ||g(x) - g(y)|| <= lipschitz ||x - y||.

    The bound holds for all weights, not up to how far an iteration has converged: each
    kernel is divided by an upper bound of its norm, which repeated squaring makes tight
    (at most 1.9 % above the spectral norm of 128 units). It starts as g = 0. For
    `bijectors.Residual`.

    Source: Chen et al., "Residual Flows for Invertible Generative Modeling", 2019,
    arXiv 1906.02735, section 3: LipSwish x sigmoid(b x) / 1.1 with a trained b > 0, and
    other norms than the spectral one. Norms whose p is learned, and that differ between
    layers, are left out.

    Args:
      hidden_units: Widths of the hidden layers, one or more.
      activation: "lipswish", "elu", "softplus" or "tanh".
      lipschitz: The bound of the whole network, between 0 and 1: each of its n layers
        keeps its n-th root.
      norm: "2", "1" or "inf": the norm in which the bound holds.
      context_dim: Size C of a context `[B, C]` that the first layer also receives,
        without a bound; None: the network ignores a context.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If a word is unknown or a number out of range; on call, if the context
        is missing.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: str = "lipswish",
        lipschitz: float = 0.9,
        norm: str = "2",
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, lipschitz, norm, **kwargs)
        self.hidden_units = check_counts("hidden_units", hidden_units)
        if context_dim is not None:
            context_dim = check_count("context_dim", context_dim)
        self.context_dim = context_dim

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        size = tuple(input_shape)[-1]
        sizes = [size, *self.hidden_units, size]
        self._create(list(itertools.pairwise(sizes)), self.context_dim)

    def _log_bound(self, kernel: tf.Tensor) -> tf.Tensor:
        return log_dense_bound(kernel, self.norm)

    def _linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, kernel)

    def _with_its_context(self, x: tf.Tensor, context: Any) -> tf.Tensor:
        expected = (None, self.context_dim)
        if context is None or not context.shape.is_compatible_with(expected):
            got = None if context is None else tuple(context.shape)
            raise ValueError(
                f"{self.name}: expected a context of shape {expected}, got {got}"
            )
        return tf.concat([x, tf.cast(context, x.dtype)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"hidden_units": self.hidden_units, "context_dim": self.context_dim}
        return {**super().get_config(), **own}
