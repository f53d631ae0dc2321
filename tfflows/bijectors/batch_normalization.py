"""Batch normalisation as a flow step."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_number
from tfflows.bijectors.actnorm import channel_moments
from tfflows.bijectors.empty_batches import without_padding
from tfflows.bijectors.flow_step import FlowStep


@keras.saving.register_keras_serializable("tfflows")
class BatchNormalization(FlowStep):
    """Batch normalisation: uses the batch's statistics while a flow trains.

    With mean m, variance v, log_scale s and shift b per channel c (last axis), n the
    number of positions of a channel in one event (1 for vectors, H W for images):

      forward:          x = (z - b) * exp(-s) * sqrt(v + epsilon) + m
      forward log-det:  n * sum_c (ln(v_c + epsilon) / 2 - s_c)
      inverse:          z = (x - m) / sqrt(v + epsilon) * exp(s) + b
      inverse log-det:  n * sum_c (s_c - ln(v_c + epsilon) / 2)

    m and v are stored weights, which `initialize(batch)` sets once. Only while a `Flow`
    trains (Keras' `training=True`), the inverse uses the statistics of the batch over
    all replicas, with gradients through them, and moves the stored ones towards them.
    The log-det treats them as constants, although they depend on the examples.
    Evaluation, sampling and exports use the stored statistics, so they compute one
    fixed, exact map.

    Source: Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
    Estimation", 2017, arXiv 1705.07057, appendix B; Dinh et al., "Real NVP", 2016,
    arXiv 1605.08803, section 3.7.

    Args:
      momentum: Fraction of the stored statistics that a training step keeps.
      epsilon: Added to the variance.
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If momentum is outside [0, 1) or epsilon is not positive.
    """

    recomputed_from = None  # a second pass would assign again

    def __init__(
        self, momentum: float = 0.99, epsilon: float = 1e-5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.momentum = check_number("momentum", momentum, least=0.0, below=1.0)
        self.epsilon = check_number("epsilon", epsilon, above=0.0)
        self.statistics = _Statistics(
            self.momentum, dtype=self.flow_dtype.name, name="statistics"
        )

    def build(self, data_shape: Any) -> None:
        """Creates log_scale and shift `[C]`, the statistics and `initialized`."""
        channels = data_shape[-1:]
        self.statistics.build((None, *channels))
        self.log_scale, self.shift = [
            self.add_weight(shape=channels, initializer="zeros", name=name)
            for name in ("log_scale", "shift")
        ]
        self.initialized = self.add_weight(
            shape=(),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            name="initialized",
        )

    @property
    def is_initialized(self) -> bool:
        """Returns whether the step was initialised from data (or restored)."""
        return self.built and bool(self.initialized.numpy())

    def _deviation_and_log_det(
        self, variance: tf.Tensor, batch: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the deviation `[C]` and the inverse's log-det `[B]`."""
        variance = variance + self.epsilon
        positions = math.prod(self.data_event_shape[:-1])
        log_det = tf.reduce_sum(self.log_scale - 0.5 * tf.math.log(variance))
        return tf.sqrt(variance), tf.fill(tf.shape(batch)[:1], positions * log_det)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        mean, variance = self.statistics.stored()
        deviation, log_det = self._deviation_and_log_det(variance, z)
        return (z - self.shift) * tf.exp(-self.log_scale) * deviation + mean, -log_det

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.reshape(without_padding(x), (-1, x.shape[-1]))
        mean, variance = self.statistics(rows)
        deviation, log_det = self._deviation_and_log_det(variance, x)
        return (x - mean) / deviation * tf.exp(self.log_scale) + self.shift, log_det

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        if not self.is_initialized:
            if direction == "inverse":
                mean, deviation = channel_moments(value, self.name)
                self.statistics.mean.assign(mean)
                self.statistics.variance.assign(deviation**2)
            self.initialized.assign(True)
        return super()._initialize(value, context, direction)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"momentum": self.momentum, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class _Statistics(keras.layers.Layer):
    """Mean and variance `[C]` of rows `[N, C]`; the stored ones unless training.

    It is its own layer, because Keras tells only a layer's `call` whether it trains.
    """

    def __init__(self, momentum: float, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._momentum = momentum

    def build(self, rows_shape: Any) -> None:
        """Creates the stored statistics."""
        # Replicas would drift with Keras' default aggregation.
        self.mean, self.variance = [
            self.add_weight(
                shape=rows_shape[-1:],
                initializer=initializer,
                trainable=False,
                aggregation="mean",
                autocast=False,
                name=name,
            )
            for name, initializer in (("mean", "zeros"), ("variance", "ones"))
        ]

    def stored(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the stored mean and variance."""
        return tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.variance)

    def call(
        self, rows: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and variance; in training those of the rows, which it stores."""
        if not training:
            return self.stored()
        count = _over_replicas(tf.cast(tf.shape(rows)[0], rows.dtype))
        count = tf.maximum(count, 1.0)
        mean = _over_replicas(tf.reduce_sum(rows, axis=0)) / count
        # Centre values first: E[x^2] - m^2 would lose all digits far from 0.
        squares = tf.reduce_sum(tf.square(rows - mean), axis=0)
        variance = _over_replicas(squares) / count
        for weight, value in ((self.mean, mean), (self.variance, variance)):
            weight.assign(weight + (1.0 - self._momentum) * (value - weight))
        return mean, variance


def _over_replicas(value: tf.Tensor) -> tf.Tensor:
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, value)
