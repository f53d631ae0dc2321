"""A logistic likelihood of integers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_number
from tfflows.backend.random import Seeds
from tfflows.vae.likelihood import Likelihood, draw_rows


@keras.saving.register_keras_serializable("tfflows")
class DiscretizedLogisticLikelihood(Likelihood):
    """A logistic on integers k: its mass between k - 1/2 and k + 1/2.

    The lowest and highest levels also get the tails. The decoder's mean and log_scale
    are in units of the whole range, [0, 1].

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive
    Flow", 2016, arXiv 1606.04934, appendix C.

    Args:
      levels: Number of levels.
      min_log_scale: Smallest log_scale.
    """

    num_params = 2

    def __init__(self, levels: int = 256, min_log_scale: float = -7.0) -> None:
        self.levels = check_count("levels", levels, least=2)
        self.min_log_scale = check_number("min_log_scale", min_log_scale)
        self._top = self.levels - 1

    def _split(self, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mean, log_scale = tf.split(params, 2, axis=-1)
        return mean, tf.maximum(log_scale, self.min_log_scale)

    def log_prob(self, x: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Returns ln(sigmoid(b) - sigmoid(a)) with the bin's ends a and b.

        It is computed as sigmoid(b) sigmoid(-a) (1 - exp(a - b)), which cannot cancel.
        """
        mean, log_scale = self._split(params)
        half = 0.5 / self._top
        offset, rate = x / self._top - mean, tf.exp(-log_scale)
        below = tf.math.log_sigmoid((offset + half) * rate)
        above = tf.math.log_sigmoid((half - offset) * rate)
        inside = below + above + tf.math.log(-tf.math.expm1(-2.0 * half * rate))
        inside = tf.where(x == 0, below, inside)
        return tf.where(x == self._top, above, inside)

    def mean(self, params: tf.Tensor) -> tf.Tensor:
        """Returns sum_k k P(k) = sum_j P(k > j), j below the highest level.

        It adds level by level, so memory does not grow with the number of levels.
        """
        mean, log_scale = self._split(params)
        rate = tf.exp(-log_scale)

        def add(j: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            end = (tf.cast(j, mean.dtype) + 0.5) / self._top
            return j + 1, total + tf.sigmoid((mean - end) * rate)

        return tf.while_loop(
            lambda j, total: j < self._top,
            add,
            (tf.constant(0), tf.zeros_like(mean)),
            parallel_iterations=1,
            maximum_iterations=self._top,
        )[1]

    def sample(self, params: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """Returns the level next to a draw of the logistic."""
        mean, log_scale = self._split(params)
        y = mean + tf.exp(log_scale) * draw_rows(random.logistic_rows, seeds, mean)
        return tf.round(tf.clip_by_value(y, 0.0, 1.0) * self._top)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"levels": self.levels, "min_log_scale": self.min_log_scale}
