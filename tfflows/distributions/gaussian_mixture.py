"""A trainable mixture of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_number
from tfflows.distributions.rows import RowDistribution


@keras.saving.register_keras_serializable("tfflows")
class GaussianMixture(RowDistribution):
    """p(z) = sum_k w_k N(z; m_k, diag(s_k^2)), in nats, all parameters trained.

    As a base it has modes of its own, which a flow, a continuous map, can hardly tear
    a single one into. A row's draw spends its first number on the component, the rest
    on the normal; `temperature` scales its deviation from that component's mean.

    Args:
      event_shape: Shape of one event, or its size.
      num_components: K.
      spread: Deviation of the components' means at the start.
      seed: What draws these means: equal components would stay equal.
      dtype: float32 or float64.
      name: Name of the distribution.

    Raises:
      ValueError: For fewer than 1 component, or a negative spread.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_components: int,
        spread: float = 1.0,
        seed: int = 0,
        dtype: Any = tf.float32,
        name: str | None = None,
    ) -> None:
        check_count("num_components", num_components)
        check_number("spread", spread, least=0.0)
        check_count("seed", seed, least=0)
        self._config = {
            "num_components": int(num_components),
            "spread": float(spread),
            "seed": int(seed),
        }
        # A component is chosen, which has no gradient.
        kind = tfd.NOT_REPARAMETERIZED
        super().__init__(event_shape, dtype, name, kind, **self._config)
        shape = (int(num_components), self._shape.num_elements())
        start = spread * np.random.default_rng(seed).normal(size=shape)
        self.means = tf.Variable(start, dtype=self.dtype, name="means")
        self.log_scales = tf.Variable(np.zeros(shape), dtype=self.dtype, name="scales")
        self.logits = tf.Variable(np.zeros(shape[0]), dtype=self.dtype, name="logits")

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        scaled = (flat[:, tf.newaxis] - self.means) * tf.exp(-self.log_scales)
        terms = -0.5 * tf.square(scaled) - self.log_scales  # [B, K, D]
        log_normal = tf.reduce_sum(terms - 0.5 * math.log(2.0 * math.pi), axis=-1)
        weights = tf.nn.log_softmax(self.logits)
        return tf.reduce_logsumexp(weights + log_normal, axis=-1)

    def _component(self, seeds: tf.Tensor) -> tf.Tensor:
        """One-hot rows `[N, K]`, by the quantile function of the weights."""
        uniform = random.uniform_rows(seeds, 1, self.dtype)
        below = tf.cumsum(tf.nn.softmax(self.logits))[:-1]
        number = tf.reduce_sum(tf.cast(uniform > below, tf.int32), axis=-1)
        return tf.one_hot(number, self._config["num_components"], dtype=self.dtype)

    def location_rows(self, seeds: tf.Tensor) -> tf.Tensor:
        """The means of the components of the rows' draws, `[N, D]`."""
        return self._component(seeds) @ self.means

    def _rows(self, seeds: tf.Tensor, count: int) -> tf.Tensor:
        component = self._component(seeds)
        noise = random.normal_rows(seeds, count + 1, self.dtype)[:, 1:]
        scales = tf.exp(component @ self.log_scales)
        return component @ self.means + scales * noise

    def _mean(self) -> tf.Tensor:
        mean = tf.linalg.matvec(self.means, tf.nn.softmax(self.logits), True)
        return tf.reshape(mean, self._shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self._config}
