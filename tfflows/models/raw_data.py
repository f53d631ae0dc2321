"""Raw data of a flow: checks, dequantization and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfflows.fitting.batch import Batch
from tfflows.models.inputs import checked_data
from tfflows.preprocessing import Dequantization


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

    def dequantized(self, x: Any, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Returns y of x. Integer data get the noise; None: the fixed pattern."""
        x = self.checked(x)
        if self.dequantization is None:
            return x
        return self.dequantization.dequantize(x, noise)

    def noisy(self, batch: Batch, step: Callable[[], Any]) -> tf.Tensor:
        """Returns y of a training batch, with new noise at each step."""
        noise = None
        if self.dequantization is not None:
            index = batch.index_or_position()
            noise = self.dequantization.training_noise(index, step())
        return self.dequantized(batch.x, noise)

    def mean_over_noise(
        self, batch: Batch, log_prob: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """Returns mean log-densities `[B]` over draws of noise, for evaluation."""
        dequantization = self.dequantization
        if dequantization is None:
            return log_prob(self.dequantized(batch.x))
        x, index = self.checked(batch.x), batch.index_or_position()

        def density(draw: tf.Tensor) -> tf.Tensor:
            noise = dequantization.evaluation_noise(index, draw)
            return log_prob(dequantization.dequantize(x, noise))

        draws = tf.range(dequantization.evaluation_draws)
        densities = tf.map_fn(
            density, draws, fn_output_signature=x.dtype, parallel_iterations=1
        )
        return tf.reduce_mean(densities, axis=0)

    def requantized(self, y: tf.Tensor) -> tf.Tensor:
        """Returns x of y = x + u with the fixed pattern u, not rounded."""
        if self.dequantization is None:
            return y
        return self.dequantization.requantize(y)

    def drawn(self, y: tf.Tensor) -> tf.Tensor:
        """Returns draws of y in units of x; draws of integer data stay continuous."""
        if self.dequantization is None:
            return y
        return self.dequantization.to_raw_range(y)
