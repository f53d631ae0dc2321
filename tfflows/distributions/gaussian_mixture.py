"""A trainable mixture of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_number, check_word
from tfflows.backend.random import Seeds
from tfflows.distributions.row_distribution import RowDistribution

Covariance = Literal["diagonal", "full"]


@keras.saving.register_keras_serializable("tfflows")
class GaussianMixture(RowDistribution):
    """p(z) = sum_k w_k N(z; m_k, C_k), in nats, all parameters trained.

    C_k is diag(s_k^2) or, with full covariances, the one whose precision is A_k' A_k,
    A_k = diag(1 / s_k) (I + L_k), with L_k strictly lower triangular, 0 at the start:
    then s_k are the deviations of elements given the ones before them.

    Use it as a base for data with several modes: a flow is continuous and can hardly
    split one mode into several. `temperature` scales a draw's deviation from the mean
    of its component.

    Args:
      event_shape: Shape of one event, or its size.
      num_components: K.
      spread: Standard deviation of the initial means.
      seed: Seed of the initial means: equal components would stay equal.
      dtype: float32 or float64.
      name: Name of the distribution.
      covariance: "diagonal" or "full".

    Raises:
      ValueError: If num_components is below 1, spread is negative, or covariance is
        unknown.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_components: int,
        spread: float = 1.0,
        seed: int = 0,
        dtype: Any = tf.float32,
        name: str | None = None,
        *,
        covariance: Covariance = "diagonal",
    ) -> None:
        check_word("covariance", covariance, Covariance)
        check_count("num_components", num_components)
        check_number("spread", spread, least=0.0)
        check_count("seed", seed, least=0)
        self._config = {
            "num_components": int(num_components),
            "spread": float(spread),
            "seed": int(seed),
            "covariance": covariance,
        }
        # Choosing a component has no gradient.
        kind = tfd.NOT_REPARAMETERIZED
        super().__init__(event_shape, dtype, name, kind, **self._config)
        shape = (int(num_components), self._shape.num_elements())
        start = spread * np.random.default_rng(seed).normal(size=shape)
        self.means = tf.Variable(start, dtype=self.dtype, name="means")
        self.log_scales = tf.Variable(np.zeros(shape), dtype=self.dtype, name="scales")
        self.logits = tf.Variable(np.zeros(shape[0]), dtype=self.dtype, name="logits")
        self.lower: tf.Variable | None = None  # only what is below the diagonal counts
        if covariance == "full":
            lower = np.zeros((*shape, shape[1]))
            self.lower = tf.Variable(lower, dtype=self.dtype, name="lower")

    def _mixing(self) -> tf.Tensor | None:
        """I + L of each component, `[K, D, D]`; None of a diagonal covariance."""
        if self.lower is None:
            return None
        size = self.lower.shape[-1]
        below = tf.constant(np.tri(size, k=-1), self.dtype)
        return self.lower * below + tf.eye(size, dtype=self.dtype)

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        deviation, mixing = flat[:, tf.newaxis] - self.means, self._mixing()
        if mixing is not None:
            deviation = tf.einsum("bkd,ked->bke", deviation, mixing)
        scaled = deviation * tf.exp(-self.log_scales)
        terms = -0.5 * tf.square(scaled) - self.log_scales  # [B, K, D]
        log_normal = tf.reduce_sum(terms - 0.5 * math.log(2.0 * math.pi), axis=-1)
        weights = tf.nn.log_softmax(self.logits)
        return tf.reduce_logsumexp(weights + log_normal, axis=-1)

    def _component(self, seeds: Seeds) -> tf.Tensor:
        """Draws one-hot rows `[N, K]` with the quantile function of the weights."""
        uniform = random.uniform_rows(seeds, 1, self.dtype)
        below = tf.cumsum(tf.nn.softmax(self.logits))[:-1]
        number = tf.reduce_sum(tf.cast(uniform > below, tf.int32), axis=-1)
        return tf.one_hot(number, self._config["num_components"], dtype=self.dtype)

    def location_rows(self, seeds: Seeds) -> tf.Tensor:
        """Returns the mean of each row's component, `[N, D]`."""
        return self._component(seeds) @ self.means

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        component = self._component(seeds)
        noise = random.normal_rows(seeds, count + 1, self.dtype)[:, 1:]
        # The noise of its own component in each row, zeros in the others': [N, K, D].
        scaled = component[:, :, tf.newaxis] * noise[:, tf.newaxis]
        scaled *= tf.exp(self.log_scales)
        mixing = self._mixing()
        if mixing is None:
            return component @ self.means + tf.reduce_sum(scaled, axis=1)
        identity = tf.eye(count, dtype=self.dtype)
        undone = tf.linalg.triangular_solve(mixing, identity)  # x = m + (I + L)^-1 s e
        return component @ self.means + tf.einsum("nkd,ked->ne", scaled, undone)

    def _mean(self) -> tf.Tensor:
        mean = tf.linalg.matvec(self.means, tf.nn.softmax(self.logits), True)
        return tf.reshape(mean, self._shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._config}
