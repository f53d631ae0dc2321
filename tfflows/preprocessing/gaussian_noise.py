"""Gaussian noise on integer data, to train models whose samples are denoised."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_number
from tfflows.preprocessing.dequantization import (
    _EVALUATION,
    _TRAINING,
    Dequantization,
    Noise,
)

_MIDDLE = 0.5  # of a level


@keras.saving.register_keras_serializable("tfflows")
class GaussianNoise(Dequantization):
    """Integers x in {0 .. levels - 1} become y = x + 1/2 + e, e from N(0, std^2 I).

    As with uniform noise, a level's middle is x + 1/2, and y without e rounded down is
    x.

    The flow learns the density q of y. That is no bound of P(x) and not comparable with
    other figures, so such a model has no bits per dimension, only nats of noisy data.
    Training and `evaluate` draw e; in `log_prob`, `encode` and exports it is 0.

    Source: Zhai et al., "Normalizing Flows are Capable Generative Models", 2024, arXiv
    2412.06329, section 2.4.

    Args:
      levels: Number of levels of the raw data, 256 for uint8 images.
      std: Standard deviation of the noise, in levels.
      evaluation_draws: Number of draws of e that `evaluate` averages per example.
      seed: Seed of the noise.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If the deviation is not positive; as in `Dequantization`.
    """

    measures_bits = False

    def __init__(
        self,
        levels: int = 256,
        std: float = 6.4,
        *,
        evaluation_draws: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(levels, evaluation_draws=evaluation_draws, seed=seed, **kwargs)
        self.std = check_number("std", std, above=0.0)

    def build(self, data_shape: Any) -> None:
        """Creates nothing: the fixed noise is 1/2."""

    def fixed_noise(self, x: tf.Tensor) -> Noise:
        """Returns 1/2 for each element, and None.

        Args:
          x: As in `Dequantization`.
        """
        return tf.fill(tf.shape(x), tf.constant(_MIDDLE, x.dtype)), None

    def drawn_noise(
        self, x: tf.Tensor, index: tf.Tensor, number: tf.Tensor, training: bool
    ) -> Noise:
        """Draws 1/2 + e `[B, *event]`, keyed by (seed, number, index); also None.

        Args:
          x: As in `Dequantization`.
          index: Likewise.
          number: Likewise.
          training: Likewise.
        """
        stream = _TRAINING if training else _EVALUATION
        rows = random.noise_seeds(self.seed, stream, number, index)
        size = x.shape[1:].num_elements()
        noise = random.normal_rows(rows, size, self.flow_dtype)
        return _MIDDLE + self.std * tf.reshape(noise, tf.shape(x)), None

    def requantize(self, y: tf.Tensor) -> tf.Tensor:
        """Inverts `dequantize` with e = 0, without rounding: y - 1/2."""
        return y - _MIDDLE

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["n_bits"]
        return {**config, "std": self.std}
