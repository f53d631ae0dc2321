"""The likelihoods of decoders, and their names."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_number
from tfflows.backend.random import Seeds
from tfflows.vae.discretized_logistic import DiscretizedLogisticLikelihood
from tfflows.vae.likelihood import Likelihood, draw_rows

_LOG_2_PI = math.log(2.0 * math.pi)


@keras.saving.register_keras_serializable("tfflows")
class BernoulliLikelihood(Likelihood):
    """x in {0, 1} with P(x = 1) = sigmoid(h)."""

    num_params = 1
    levels = 2

    def log_prob(self, x: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Returns x h - softplus(h)."""
        return x * params - tf.math.softplus(params)

    def mean(self, params: tf.Tensor) -> tf.Tensor:
        """Returns P(x = 1)."""
        return tf.sigmoid(params)

    def sample(self, params: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """Returns 1 where a uniform number lies below P(x = 1)."""
        draws = random.bernoulli_rows(seeds, tf.sigmoid(params))
        return tf.cast(draws, params.dtype)


@keras.saving.register_keras_serializable("tfflows")
class GaussianLikelihood(Likelihood):
    """x ~ N(mean, exp(log_scale)^2), with a learned scale for each element.

    Args:
      min_log_scale: Minimum log_scale: without it, a constant element's density has no
        bound.
    """

    num_params = 2

    def __init__(self, min_log_scale: float = -7.0) -> None:
        self.min_log_scale = check_number("min_log_scale", min_log_scale)

    def _split(self, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mean, log_scale = tf.split(params, 2, axis=-1)
        return mean, tf.maximum(log_scale, self.min_log_scale)

    def log_prob(self, x: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Returns -((x - mean)^2 exp(-2 log_scale) + ln 2 pi) / 2 - log_scale."""
        mean, log_scale = self._split(params)
        scaled = (x - mean) * tf.exp(-log_scale)
        return -0.5 * (tf.square(scaled) + _LOG_2_PI) - log_scale

    def mean(self, params: tf.Tensor) -> tf.Tensor:
        """Returns mean."""
        return self._split(params)[0]

    def sample(self, params: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """Returns mean + exp(log_scale) times a standard normal."""
        mean, log_scale = self._split(params)
        return mean + tf.exp(log_scale) * draw_rows(random.normal_rows, seeds, mean)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"min_log_scale": self.min_log_scale}


@keras.saving.register_keras_serializable("tfflows")
class CategoricalLikelihood(Likelihood):
    """A categorical distribution over integers: softmax(h).

    Args:
      levels: Number of levels; the decoder gives one parameter for each.
    """

    def __init__(self, levels: int = 256) -> None:
        self.levels = self.num_params = check_count("levels", levels, least=2)

    def _logits(self, params: tf.Tensor) -> tf.Tensor:
        """Maps `[B, ..., levels * C]` to `[B, ..., C, levels]`."""
        blocks = tf.stack(tf.split(params, self.num_params, axis=-1), axis=-1)
        return tf.nn.log_softmax(blocks, axis=-1)

    def log_prob(self, x: tf.Tensor, params: tf.Tensor) -> tf.Tensor:
        """Returns the logarithm of the level's probability."""
        logits = self._logits(params)
        index = tf.cast(x, tf.int32)[..., tf.newaxis]
        return tf.gather(logits, index, batch_dims=index.shape.rank - 1)[..., 0]

    def mean(self, params: tf.Tensor) -> tf.Tensor:
        """Returns the mean level."""
        levels = tf.range(self.num_params, dtype=params.dtype)
        return tf.reduce_sum(tf.exp(self._logits(params)) * levels, axis=-1)

    def sample(self, params: tf.Tensor, seeds: Seeds) -> tf.Tensor:
        """Returns the number of levels whose cumulative mass a uniform exceeds."""
        below = tf.cumsum(tf.exp(self._logits(params)), axis=-1)[..., :-1]
        uniform = draw_rows(random.uniform_rows, seeds, below[..., 0])
        above = uniform[..., tf.newaxis] > below
        return tf.reduce_sum(tf.cast(above, params.dtype), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"levels": self.levels}


def as_likelihood(likelihood: Any) -> Likelihood:
    """Returns a likelihood, given itself or its name.

    Args:
      likelihood: A `Likelihood`, "bernoulli", "gaussian", "discretized_logistic" or
        "categorical" (the last two with 256 levels).

    Raises:
      ValueError: For anything else.
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    if isinstance(likelihood, str) and likelihood in _BY_NAME:
        return _BY_NAME[likelihood]()
    raise ValueError(
        f"expected a Likelihood or one of {tuple(_BY_NAME)}, got {likelihood!r}"
    )


_BY_NAME: dict[str, type[Likelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "gaussian": GaussianLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
    "categorical": CategoricalLikelihood,
}
