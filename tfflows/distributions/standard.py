"""Standard base distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfflows import random


class _Standard(tfd.Distribution):
    """Independent elements of location 0, drawn row by row from seeds.

    Args:
      event_shape: Shape of one event, or its size.
      dtype: float32 or float64.
      name: Name of the distribution.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        dtype: Any = tf.float32,
        name: str | None = None,
    ) -> None:
        shape = [event_shape] if isinstance(event_shape, int) else list(event_shape)
        if not shape or min(shape) < 1:
            raise ValueError(f"expected an event shape of sizes >= 1, got {shape}")
        self._shape = tf.TensorShape(shape)
        super().__init__(
            dtype=tf.as_dtype(dtype),
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=False,
            parameters={"event_shape": shape, "dtype": dtype},
            name=name or type(self).__name__,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        return {}

    def _event_shape(self) -> tf.TensorShape:
        return self._shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._shape)

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.zeros([0], tf.int32)

    def _rows(self, seeds: tf.Tensor, count: int) -> tf.Tensor:
        raise NotImplementedError

    def _element_log_prob(self, value: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        rank = self._shape.rank
        if not value.shape[-rank:].is_compatible_with(self._shape):
            raise ValueError(
                f"{self.name}: expected shape (..., "
                f"{', '.join(map(str, self._shape))}), got {tuple(value.shape)}"
            )
        axes = list(range(-rank, 0))
        return tf.reduce_sum(self._element_log_prob(value), axis=axes)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        seed = tfp.random.sanitize_seed(seed)
        return self.sample_rows(random.fold_in(seed, tf.range(n)))

    def sample_rows(self, seeds: tf.Tensor) -> tf.Tensor:
        """One draw `[*event_shape]` for each of the int32 seeds `[N, 2]`."""
        rows = self._rows(seeds, self._shape.num_elements())
        return tf.reshape(rows, (-1, *self._shape))

    def _mean(self) -> tf.Tensor:
        return tf.zeros(self._shape, self.dtype)

    _mode = _mean

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"event_shape": list(self._shape), "dtype": self.dtype.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Standard:
        """A distribution of equal config."""
        return cls(**config)


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

    def _rows(self, seeds: tf.Tensor, count: int) -> tf.Tensor:
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

    def _rows(self, seeds: tf.Tensor, count: int) -> tf.Tensor:
        return random.logistic_rows(seeds, count, self.dtype)

    def _stddev(self) -> tf.Tensor:
        return tf.fill(self._shape, tf.constant(math.pi / math.sqrt(3.0), self.dtype))

    def _entropy(self) -> tf.Tensor:
        return tf.constant(2.0 * self._shape.num_elements(), self.dtype)
