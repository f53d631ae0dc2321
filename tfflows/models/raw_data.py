"""Raw data of a flow: checks, dequantization and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfflows.fitting.batch import Batch
from tfflows.models.calls.inputs import checked_data
from tfflows.preprocessing import Dequantization
from tfflows.preprocessing.dequantization import Noise


@dataclasses.dataclass(frozen=True)
class RawData:
    """How a flow turns raw data x into continuous y, and back.

    Args:
      event_shape: Shape of one event.
      dtype: The flow's dtype.
      dequantization: None: the data are continuous, so y = x.
      name: Name of the model, for errors.
    """

    event_shape: tuple[int, ...]
    dtype: tf.DType
    dequantization: Dequantization | None
    name: str

    def checked(self, x: Any) -> tf.Tensor:
        """Returns `[..., *event]` in the flow's dtype; ValueError if not valid."""
        return checked_data(x, self.event_shape, self.dtype, self.name)

    def dequantized(self, x: Any) -> tf.Tensor:
        """The y of x; integer data get the fixed noise."""
        return self.with_fixed_noise(x)[0]

    def with_fixed_noise(self, x: Any) -> Noise:
        """The y of x, and ln q(u | x) `[...]` of the fixed noise u, None for 0."""
        x = self.checked(x)
        if self.dequantization is None:
            return x, None
        x = self.dequantization.checked(x)
        noise, log_q = self.dequantization.fixed_noise(x)
        return self.dequantization.dequantize(x, noise), log_q

    def noisy(self, batch: Batch, step: Callable[[], Any]) -> Noise:
        """The y of a batch in training, with fresh noise u, and ln q(u | x)."""
        if self.dequantization is None:
            return self.checked(batch.x), None
        return self._drawn(batch, step(), training=True)

    def over_noise(
        self, batch: Batch, log_prob: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """Returns log-probabilities `[B]` over draws of noise, for evaluation."""
        dequantization = self.dequantization
        if dequantization is None:
            return log_prob(self.checked(batch.x))

        def density(draw: tf.Tensor) -> tf.Tensor:
            y, log_q = self._drawn(batch, draw, training=False)
            return without(log_q, log_prob(y))

        draws = tf.range(dequantization.evaluation_draws)
        densities = tf.map_fn(
            density, draws, fn_output_signature=self.dtype, parallel_iterations=1
        )
        return dequantization.over_draws(densities)

    def _drawn(self, batch: Batch, number: Any, *, training: bool) -> Noise:
        dequantization: Any = self.dequantization
        x = dequantization.checked(self.checked(batch.x))
        index = batch.index_or_position()
        noise, log_q = dequantization.drawn_noise(x, index, number, training)
        return dequantization.dequantize(x, noise), log_q

    def requantized(self, y: tf.Tensor) -> tf.Tensor:
        """Returns x of y = x + u with the fixed u; with a pattern, not rounded."""
        if self.dequantization is None:
            return y
        return self.dequantization.requantize(y)

    def drawn(self, y: tf.Tensor) -> tf.Tensor:
        """Returns draws of y in units of x; draws of integer data stay continuous."""
        if self.dequantization is None:
            return y
        return self.dequantization.to_raw_range(y)


def without(log_q: tf.Tensor | None, log_prob: tf.Tensor) -> tf.Tensor:
    """The ln p(x + u) - ln q(u | x) of noise u; None: q is uniform."""
    return log_prob if log_q is None else log_prob - log_q
