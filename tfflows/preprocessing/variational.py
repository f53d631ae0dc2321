"""Variational dequantization: noise that a flow learns."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.checks import require
from tfflows.preprocessing.dequantization import (
    _EVALUATION,
    _PATTERN,
    _TRAINING,
    Dequantization,
    Noise,
)


@keras.saving.register_keras_serializable("tfflows")
class VariationalDequantization(Dequantization):
    """Integers x become y = x + u with u in [0, 1) from a flow q(u | x).

      E_q [ln p(x + u) - ln q(u | x)] <= ln P(x)

    Training maximises this bound in p and q together. `evaluate` joins N =
    `evaluation_draws` draws as importance samples, ln (1/N) sum_n p(x + u_n) / q(u_n |
    x), a bound that is the tighter the larger N. Uniform noise is the special case
    q = 1.

    `log_prob`, `encode` and exports are deterministic: they use the u at the flow's
    centre, where its base has its location. `log_prob(x)` is ln p(x + u) - ln q(u | x)
    there: ln P(x) itself if q is the posterior of u, else an estimate, neither a bound
    nor the density of y, which is `flow.distribution.log_prob(flow.dequantize(x))`.
    `decode` rounds y down, because u depends on x.

    Source: Ho, Chen, Srinivas, Duan and Abbeel, "Flow++", 2019, arXiv 1902.00275,
    section 3.1.

    Args:
      flow: A conditional `tfflows.Flow` over u, whose events and contexts have the
        shape of x. Its samples lie in [0, 1], for example by `preprocessing=Logit()`;
        with the base `StandardLogistic`, noise then starts uniform if the steps start
        as the identity. The context is the level of x, scaled to [-1, 1]. What it
        draws should be quick: invert couplings that are slow from latent to data.
      levels: Number of levels of the raw data, 256 for uint8 images.
      n_bits: As in `Dequantization`.
      evaluation_draws: Number N of importance samples of `evaluate`.
      seed: Seed of the noise.
      **kwargs: Arguments of `keras.layers.Layer`; the dtype is the flow's.

    Raises:
      ValueError: For another flow; as in `Dequantization`.
    """

    decodes_integers = True

    def __init__(
        self,
        flow: Any,
        levels: int = 256,
        n_bits: int | None = None,
        *,
        evaluation_draws: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        _check_flow(flow)
        kwargs = {**kwargs, "dtype": flow.flow_dtype.name}
        super().__init__(
            levels, n_bits, evaluation_draws=evaluation_draws, seed=seed, **kwargs
        )
        self.flow = flow
        self.supports_jit = flow.supports_jit

    def build(self, data_shape: Any) -> None:
        """Checks the event's shape; the flow is built."""
        event = tuple(data_shape)[1:]
        if event != tuple(self.flow.event_shape):
            raise ValueError(
                f"{self.name}: expected a flow over events of shape {event}, got one "
                f"over {tuple(self.flow.event_shape)}"
            )

    @property
    def is_initialized(self) -> bool:  # type: ignore[override]
        """Whether the flow's data-dependent start has taken place."""
        return self.flow.is_initialized

    def initialize(self, x: tf.Tensor) -> None:
        """Data-dependent start of the flow, from uniform noise given raw data x."""
        if not self.flow.is_initialized:
            index = tf.range(tf.shape(x)[0], dtype=tf.int64)
            u = self._draw(index, _PATTERN, 0, tuple(self.flow.event_shape))
            self.flow.initialize(u, self._context(x))

    def fixed_noise(self, x: tf.Tensor) -> Noise:
        """Returns the u `[..., *event]` at the flow's centre, and ln q(u | x) `[...]`.

        Args:
          x: Raw data `[..., *event]` as `checked` returns them.
        """
        event = tuple(self.flow.event_shape)
        rows = tf.reshape(x, (-1, *event))
        seeds = tf.zeros([tf.shape(rows)[0], 2], tf.int32)
        u, log_q = self._of_flow(rows, seeds, 0.0)
        leading = tf.shape(x)[: x.shape.rank - len(event)]
        return tf.reshape(u, tf.shape(x)), tf.reshape(log_q, leading)

    def drawn_noise(
        self, x: tf.Tensor, index: tf.Tensor, number: tf.Tensor, training: bool
    ) -> Noise:
        """Draws u `[B, *event]` from the flow; returns ln q(u | x) `[B]`, too.

        Args:
          x: As in `Dequantization`.
          index: Likewise.
          number: Likewise.
          training: Likewise.
        """
        stream = _TRAINING if training else _EVALUATION
        seeds = random.noise_seeds(self.seed, stream, number, index)
        return self._of_flow(x, seeds, 1.0)

    def over_draws(self, log_weights: tf.Tensor) -> tf.Tensor:
        """Joins N importance samples `[N, B]`: ln (1/N) sum_n exp(log_weights_n)."""
        number = math.log(self.evaluation_draws)
        return tf.reduce_logsumexp(log_weights, axis=0) - number

    def _of_flow(self, x: tf.Tensor, seeds: tf.Tensor, temperature: float) -> Noise:
        context = self._context(x)
        u, log_q = self.flow.sample_rows_and_log_prob(seeds, temperature, context)
        message = (
            f"{self.name}: expected a flow whose samples lie in [0, 1], for example by "
            "preprocessing=Logit(), got others"
        )
        with require(tf.reduce_all((u >= 0) & (u <= 1)), message):
            return self._below_one(u), log_q

    def _context(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the levels of raw data, scaled to [-1, 1]."""
        middle = tf.floor(x / self.bin_width) + 0.5
        return 2.0 * middle / self.num_levels - 1.0

    def requantize(self, y: tf.Tensor) -> tf.Tensor:
        """Inverts `dequantize`: y rounded down."""
        return tf.floor(y) * self.bin_width

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        flow = keras.saving.serialize_keras_object(self.flow)
        return {**super().get_config(), "flow": flow}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VariationalDequantization:
        """Returns a new layer with the same config."""
        flow = keras.saving.deserialize_keras_object(config["flow"])
        return cls(**{**config, "flow": flow})


def _check_flow(flow: Any) -> None:
    shapes: list[Any] = [
        getattr(flow, name, None) for name in ("event_shape", "context_shape")
    ]
    draws = hasattr(flow, "sample_rows_and_log_prob")
    if not draws or None in shapes or tuple(shapes[0]) != tuple(shapes[1]):
        raise ValueError(
            "expected a conditional tfflows.Flow with context_shape equal to its "
            f"event_shape, got {flow!r}"
        )
    if flow.levels is not None:
        raise ValueError("expected a flow over continuous noise, got one with levels")
