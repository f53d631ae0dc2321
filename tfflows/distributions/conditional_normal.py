"""A normal base whose location and scale depend on a context."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfflows.backend import random
from tfflows.backend.arguments import check_count
from tfflows.backend.autograph import without_autograph
from tfflows.backend.random import Seeds
from tfflows.distributions.base import Base
from tfflows.distributions.row_distribution import RowDistribution


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class ConditionalNormal(Base):
    """p(z | c) = N(z; loc(c), diag(exp(log_scale(c)))^2), in nats.

    loc and log_scale are dense layers on a network's features of the context c. They
    start at zero, so the base starts as a standard normal.

    Args:
      event_shape: Shape of one event, or its size.
      context_dim: Size C of the context `[B, C]`.
      network: A Keras layer from `[B, C]` to features `[B, F]`; None: c itself.
      **kwargs: Arguments of `keras.layers.Layer`; `dtype` is the flow's.

    Raises:
      ValueError: If the network is no Keras layer or context_dim is below 1.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        context_dim: int,
        network: Any = None,
        **kwargs: Any,
    ) -> None:
        check_count("context_dim", context_dim)
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise ValueError(f"expected a network that is a Keras layer, got {network}")
        dtype = keras.dtype_policies.get(kwargs.get("dtype")).variable_dtype
        super().__init__(_ConditionalRows(event_shape, dtype), **kwargs)
        self.distribution.base = self
        self.context_dim, self.network = int(context_dim), network
        features = (None, self.context_dim)
        if network is not None:
            features = tuple(network(keras.Input(features[1:], dtype=dtype)).shape)
        if len(features) != 2:
            raise ValueError(
                f"expected a network to features (batch, F), got {features}"
            )
        # Use the variable dtype, because scales and log-densities need its precision.
        self.loc_head, self.log_scale_head = [
            keras.layers.Dense(
                math.prod(self.event_shape),
                kernel_initializer="zeros",
                dtype=dtype,
                name=name,
            )
            for name in ("loc", "log_scale")
        ]
        for head in (self.loc_head, self.log_scale_head):
            head.build(features)
        # For TFP, which sees no Keras variables; see FlowStep.
        vars(self.distribution)["_tfp_variables"] = [v.value for v in self.variables]

    def _parameters(self, context: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns loc and log_scale, each `[B, D]`, of contexts `[..., C]`."""
        if context is None:
            raise ValueError(
                f"{self.name}: expected a context of size {self.context_dim}, got none"
            )
        context = tf.cast(context, self.distribution.dtype)
        features = tf.reshape(context, (-1, self.context_dim))
        if self.network is not None:
            features = tf.cast(self.network(features), self.distribution.dtype)
        return self.loc_head(features), self.log_scale_head(features)

    def log_prob(self, z: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Returns log-densities `[B]` of latents `[B, D]` given `[B, C]`, in nats."""
        loc, log_scale = self._parameters(context)
        scaled = (tf.reshape(z, (-1, loc.shape[-1])) - loc) * tf.exp(-log_scale)
        terms = tf.square(scaled) + 2.0 * log_scale + math.log(2.0 * math.pi)
        return -0.5 * tf.reduce_sum(terms, axis=-1)

    def sample_rows(
        self, seeds: Seeds, temperature: tf.Tensor, context: Any = None
    ) -> tf.Tensor:
        """Draws flat latents `[N, D]`, row i from row i of seeds and context only.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: `[N]`; multiplies a draw's deviation from loc.
          context: `[N, C]`.
        """
        loc, log_scale = self._parameters(context)
        noise = random.normal_rows(seeds, loc.shape[-1], loc.dtype)
        temperature = tf.cast(temperature, loc.dtype)[:, tf.newaxis]
        return loc + temperature * tf.exp(log_scale) * noise

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["distribution"]
        network = self.network
        if network is not None:
            network = keras.saving.serialize_keras_object(network)
        return {
            **config,
            "event_shape": list(self.event_shape),
            "context_dim": self.context_dim,
            "network": network,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ConditionalNormal:
        """Returns a new base with the same config."""
        network = config["network"]
        if network is not None:
            network = keras.saving.deserialize_keras_object(network)
        return cls(**{**config, "network": network})


class _ConditionalRows(RowDistribution):
    """The base as a TFP distribution, whose `log_prob` and `sample` take `context=`."""

    base: ConditionalNormal
    takes_context = True

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles the layer, which has the weights."""
        return operator.attrgetter("distribution"), (self.base,)

    def _log_prob(self, value: tf.Tensor, context: Any = None) -> tf.Tensor:
        log_prob = self.base.log_prob(value, context)
        return tf.reshape(log_prob, tf.shape(value)[: -self._shape.rank])

    def _sample_n(self, n: Any, seed: Any = None, context: Any = None) -> tf.Tensor:
        n = tf.cast(n, tf.int32)
        seeds = random.RowsOfSeed(tfp.random.sanitize_seed(seed), n)
        rows = self.base.sample_rows(seeds, tf.ones([n], self.dtype), context)
        return tf.reshape(rows, (-1, *self._shape))
