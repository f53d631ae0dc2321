"""Standard base distributions."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.random import Seeds
from tfflows.distributions.row_distribution import RowDistribution


class _Standard(RowDistribution):
    """Independent elements of location 0."""

    def _element_log_prob(self, value: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self._element_log_prob(flat), axis=-1)

    def _mean(self) -> tf.Tensor:
        return tf.zeros(self._shape, self.dtype)

    _mode = _mean


@keras.saving.register_keras_serializable("tfflows")
class StandardNormal(_Standard):
    """N(0, I): log p(z) = -sum (z^2 + ln 2 pi) / 2, in nats.

    Args:
      event_shape: Shape of one event, or its size.
      dtype: float32 or float64.
      name: Name of the distribution.
    """

    def _element_log_prob(self, value: tf.Tensor) -> tf.Tensor:
        return -0.5 * (tf.square(value) + math.log(2.0 * math.pi))

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        return random.normal_rows(seeds, count, self.dtype)

    def _stddev(self) -> tf.Tensor:
        return tf.ones(self._shape, self.dtype)

    def _entropy(self) -> tf.Tensor:
        size = self._shape.num_elements()
        return tf.constant(size * 0.5 * math.log(2.0 * math.pi * math.e), self.dtype)


@keras.saving.register_keras_serializable("tfflows")
class StandardLogistic(_Standard):
    """Independent standard logistics: log p(z) = -sum ln(1 + e^z) + ln(1 + e^-z).

    Source: Dinh et al., "NICE", 2014, arXiv 1410.8516, section 3.4.

    Args:
      event_shape: Shape of one event, or its size.
      dtype: float32 or float64.
      name: Name of the distribution.
    """

    def _element_log_prob(self, value: tf.Tensor) -> tf.Tensor:
        return tf.math.log_sigmoid(value) + tf.math.log_sigmoid(-value)

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        return random.logistic_rows(seeds, count, self.dtype)

    def _stddev(self) -> tf.Tensor:
        return tf.fill(self._shape, tf.constant(math.pi / math.sqrt(3.0), self.dtype))

    def _entropy(self) -> tf.Tensor:
        return tf.constant(2.0 * self._shape.num_elements(), self.dtype)


@keras.saving.register_keras_serializable("tfflows")
class StandardStudentT(_Standard):
    """Independent Student t of 2 degrees of freedom: log p(z) = -1.5 sum ln(2 + z^2).

    Its tails fall as |z|^-3: in a mixture it bounds what one far row can cost. The
    variance is infinite. Draws use the quantile (2 u - 1) / sqrt(2 u (1 - u)).

    Args:
      event_shape: Shape of one event, or its size.
      dtype: float32 or float64.
      name: Name of the distribution.
    """

    def _element_log_prob(self, value: tf.Tensor) -> tf.Tensor:
        # The square overflows float32 from 1e19 on: that of the ratio does not.
        size = tf.maximum(tf.abs(value), 1.0)
        rest = tf.square(value / size) + 2.0 / size / size
        return -3.0 * tf.math.log(size) - 1.5 * tf.math.log(rest)

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        uniform = random.uniform_rows(seeds, count, self.dtype)
        return (2.0 * uniform - 1.0) * tf.math.rsqrt(2.0 * uniform * (1.0 - uniform))
