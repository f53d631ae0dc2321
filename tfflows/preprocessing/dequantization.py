"""Integer data as densities."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count
from tfflows.backend.checks import require
from tfflows.bijectors.shapes import at_least_single

# u, and ln q(u | x) [B]; None stands for 0, that of uniform noise.
Noise = tuple[tf.Tensor, tf.Tensor | None]

# Streams of noise for one seed, which must not overlap.
_PATTERN, _TRAINING, _EVALUATION = 0, 1, 2


@keras.saving.register_keras_serializable("tfflows")
class Dequantization(keras.layers.Layer):
    """Uniform dequantization: x in {0 .. levels - 1} becomes y = x + u, u in [0, 1).

    The density of y, averaged in log over u, bounds the probability of x from below:
    E_u log p(x + u) <= log P(x). Levels are one wide, so that log p needs no constant
    to become bits per dimension.

    Source: Theis, van den Oord and Bethge, "A note on the evaluation of generative
    models", 2015, arXiv 1511.01844, section 3.1; n_bits: Kingma and Dhariwal, "Glow",
    2018, arXiv 1807.03039, section 5.

    Args:
      levels: Number of levels of the raw data, 256 for uint8 images.
      n_bits: Number of bits to keep, or None. x becomes floor(x / (levels / 2^n_bits));
        samples are scaled back to the raw range.
      evaluation_draws: Number of draws of u that `evaluate` averages per example.
      seed: Seed of the noise.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If there are fewer than 2 levels or more than the dtype can
        dequantize, or 2^n_bits does not divide levels.
    """

    def __init__(
        self,
        levels: int = 256,
        n_bits: int | None = None,
        *,
        evaluation_draws: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.levels = check_count("levels", levels, least=2)
        if n_bits is not None and levels % 2 ** check_count("n_bits", n_bits):
            raise ValueError(
                f"expected n_bits such that 2^n_bits divides {levels}, got {n_bits}"
            )
        self.n_bits = n_bits
        self.evaluation_draws = check_count("evaluation_draws", evaluation_draws)
        self.seed = check_count("seed", seed, least=0)
        self._check_precision()
        self.bin_width = 1 if n_bits is None else self.levels // 2**n_bits

    def _check_precision(self) -> None:
        # At 2^16 levels float32 still distinguishes 2^7 values of u.
        most = 2**16 if self.flow_dtype == tf.float32 else 2**40
        if self.levels > most:
            raise ValueError(
                f"expected at most {most} levels in {self.flow_dtype.name}, got "
                f"{self.levels}; use dtype='float64', or treat the data as continuous"
            )

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of data and noise: the variable dtype, never half precision."""
        return at_least_single(self.variable_dtype)

    def build(self, data_shape: Any) -> None:
        """Creates the fixed pattern u, of the event's shape."""
        event = tuple(data_shape)[1:]
        with tf.init_scope():
            rows = self._draw(tf.zeros([1], tf.int64), _PATTERN, 0, event)
        self.pattern = self.add_weight(
            shape=event,
            initializer=lambda shape, dtype: tf.cast(rows[0], dtype),
            trainable=False,
            dtype=self.flow_dtype.name,
            autocast=False,
            name="pattern",
        )

    @property
    def num_levels(self) -> int:
        """Number of levels after `n_bits`: y lies in [0, num_levels)."""
        return self.levels // self.bin_width

    def checked(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the data in the noise's float dtype.

        Raises:
          ValueError: If values are not integers from 0 to levels - 1 (in a graph
            InvalidArgumentError).
        """
        values = tf.cast(x, self.flow_dtype)
        valid = (values >= 0) & (values < self.levels) & (values == tf.floor(values))
        message = (
            f"expected integers from 0 to {self.levels - 1}, got values that are no "
            "integers or lie outside"
        )
        with require(tf.reduce_all(valid), message):
            return tf.identity(values)

    def training_noise(self, index: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Draws u `[B, *event]` for a training step, keyed by (seed, step, index)."""
        return self._draw(index, _TRAINING, step, tuple(self.pattern.shape))

    def evaluation_noise(self, index: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        """Draws u `[B, *event]` for `evaluate`, keyed by (seed, index)."""
        return self._draw(index, _EVALUATION, draw, tuple(self.pattern.shape))

    def fixed_noise(self, x: tf.Tensor) -> Noise:
        """Returns the u of `log_prob`, here the pattern, and ln q(u | x).

        Args:
          x: Raw data `[..., *event]` as `checked` returns them.
        """
        return self.pattern, None

    def drawn_noise(
        self, x: tf.Tensor, index: tf.Tensor, number: tf.Tensor, training: bool
    ) -> Noise:
        """Draws u `[B, *event]` for raw data x, and returns ln q(u | x) `[B]`.

        Args:
          x: `[B, *event]`, as `checked` returns them.
          index: `[B]`, the examples' positions in their data set.
          number: The training's step, or the number of an evaluation's draw.
          training: Whether the noise is for training or for `evaluate`.
        """
        draw = self.training_noise if training else self.evaluation_noise
        return draw(index, number), None

    def over_draws(self, log_weights: tf.Tensor) -> tf.Tensor:
        """Joins the ln p(x + u) - ln q(u | x) `[N, B]` of N draws: here, their mean."""
        return tf.reduce_mean(log_weights, axis=0)

    is_initialized = True  # no weights depend on data
    decodes_integers = False
    measures_bits = True  # -log p over D ln 2 bounds bits per dimension of x

    def initialize(self, x: tf.Tensor) -> None:
        """Data-dependent start from raw data `[B, *event]`: there is none."""

    def _draw(
        self, index: tf.Tensor, stream: int, step: Any, event: tuple[int, ...]
    ) -> tf.Tensor:
        rows = random.noise_seeds(self.seed, stream, step, index)
        noise = random.uniform_rows(rows, int(np.prod(event)), self.flow_dtype)
        return tf.reshape(self._below_one(noise), (-1, *event))

    def _below_one(self, noise: tf.Tensor) -> tf.Tensor:
        # x + u must not round up to levels.
        levels = np.asarray(self.levels, self.flow_dtype.as_numpy_dtype)
        return tf.minimum(noise, 1.0 - np.spacing(levels))

    def dequantize(self, x: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Returns y = floor(x / bin_width) + u.

        Args:
          x: Raw data `[B, *event]`, any real dtype.
          noise: u, or None for `fixed_noise`.

        Returns:
          y `[B, *event]` in [0, num_levels).
        """
        x = self.checked(x)
        noise = self.fixed_noise(x)[0] if noise is None else noise
        return tf.floor(x / self.bin_width) + noise

    def requantize(self, y: tf.Tensor) -> tf.Tensor:
        """Inverts `dequantize` with the fixed noise, here without rounding: y - u."""
        return (y - self.pattern) * self.bin_width

    def to_raw_range(self, y: tf.Tensor) -> tf.Tensor:
        """Scales samples y to the raw data's range; floor gives pixels."""
        return y * self.bin_width

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Applies `dequantize` with the fixed noise."""
        return self.dequantize(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "levels": self.levels,
            "n_bits": self.n_bits,
            "evaluation_draws": self.evaluation_draws,
            "seed": self.seed,
        }
