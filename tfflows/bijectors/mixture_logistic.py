"""Distribution functions of logistic mixtures as a coupling law: Flow++."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.coupling import Coupling
from tfflows.bijectors.laws import CouplingLaw
from tfflows.bijectors.root_finding import increasing_root

# Largest absolute log of a component's scale.
_BOUND = 7.0
# Keeps Newton steps finite between components that are far apart.
_LEAST_LOG_SLOPE = -60.0


@keras.saving.register_keras_serializable("tfflows")
class MixtureLogisticLaw(CouplingLaw):
    """The distribution function of a mixture of logistics, a logit and an affine map.

    With F(x) = sum_k pi_k sigmoid((x - mu_k) / s_k), from data to latent:

      z = exp(a) (ln F(x) - ln(1 - F(x))) + b

    which is one pass. From latent to data, a safeguarded Newton iteration finds x, to
    rounding error and with implicit gradients. ln F and ln(1 - F) are both log-sums of
    log-sigmoids, so that tails are as precise as the middle.

    There are 2 + 3 K parameters per element: b, then a through tanh, K logits of pi,
    K shifts of mu, and ln s, bounded by 7 through tanh. mu_k is its shift less q_k
    tanh(ln s_k / 2), with q_k the standard logistic's quantiles: zero parameters give
    the identity, and narrower components move apart. With equal components instead,
    all would get equal gradients and never differ.

    Source: Ho, Chen, Srinivas, Duan and Abbeel, "Flow++: Improving Flow-Based
    Generative Models with Variational Dequantization and Architecture Design", 2019,
    arXiv 1902.00275, section 3.2.

    Args:
      num_components: Number of components K.

    Raises:
      ValueError: If num_components is below 2.
    """

    def __init__(self, num_components: int = 8) -> None:
        self.num_components = check_count("num_components", num_components, least=2)
        self.num_params = 2 + 3 * self.num_components
        share = (np.arange(self.num_components) + 0.5) / self.num_components
        self._quantiles = np.log(share) - np.log1p(-share)

    def forward(
        self, z: tf.Tensor, params: tf.Tensor, axis: int = -1
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and ln dx/dz."""
        shift, log_scale, mixture = self._split(params, axis)
        x = mixture.quantile((z - shift) * tf.exp(-log_scale))
        return x, -mixture.logit_and_log_slope(x)[1] - log_scale

    def inverse(
        self, x: tf.Tensor, params: tf.Tensor, axis: int = -1
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z and ln dz/dx."""
        shift, log_scale, mixture = self._split(params, axis)
        logit, log_slope = mixture.logit_and_log_slope(x)
        return logit * tf.exp(log_scale) + shift, log_slope + log_scale

    def _split(
        self, params: tf.Tensor, axis: int
    ) -> tuple[tf.Tensor, tf.Tensor, _Mixture]:
        """Returns b, a and the mixture."""
        blocks = _leading(params, self.num_params, axis)
        logits, shifts, h = tf.split(blocks[2:], 3, axis=0)
        log_scales = _BOUND * tf.tanh(h / _BOUND)
        ones = [1] * (blocks.shape.rank - 1)
        quantiles = tf.constant(self._quantiles.reshape(-1, *ones), params.dtype)
        log_weights = logits - tf.reduce_logsumexp(logits, axis=0)
        means = shifts - quantiles * tf.tanh(0.5 * log_scales)
        return blocks[0], tf.tanh(blocks[1]), _Mixture(log_weights, means, log_scales)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"num_components": self.num_components}


def _leading(params: tf.Tensor, number: int, axis: int) -> tf.Tensor:
    """Cuts an axis into blocks along a new first axis, over which CPUs sum quickly."""
    shape, size = tf.shape(params), params.shape[axis] // number
    if axis == 0:
        return tf.reshape(params, tf.concat([[number, size], shape[1:]], axis=0))
    blocks = tf.reshape(params, tf.concat([shape[:-1], [number, size]], axis=0))
    rank = blocks.shape.rank
    return tf.transpose(blocks, [rank - 2, *range(rank - 2), rank - 1])


class _Mixture:
    """A mixture of logistics for each element: tensors `[K, *element shape]`."""

    def __init__(
        self, log_weights: tf.Tensor, means: tf.Tensor, log_scales: tf.Tensor
    ) -> None:
        self._params = log_weights, means, log_scales

    def logit_and_log_slope(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ln F(x) - ln(1 - F(x)) and the log of its derivative."""
        return _logit_and_log_slope(x, *self._params)

    def quantile(self, logit: tf.Tensor) -> tf.Tensor:
        """Returns the x with ln F(x) - ln(1 - F(x)) = logit."""
        _, means, log_scales = self._params
        # A mixture's quantile lies between its components' quantiles.
        each = means + tf.exp(log_scales) * logit
        lower, upper = tf.reduce_min(each, axis=0), tf.reduce_max(each, axis=0)
        return increasing_root(_logit_and_slope, logit, self._params, lower, upper)


def _logit_and_log_slope(
    x: tf.Tensor, log_weights: tf.Tensor, means: tf.Tensor, log_scales: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    u = (x - means) * tf.exp(-log_scales)
    # ln sigmoid(u) = low - rest, ln sigmoid(-u) = -high - rest: low is min(u, 0) and
    # high max(u, 0), written so that all slopes at 0 are right.
    size = tf.abs(u)
    low, high, rest = 0.5 * (u - size), 0.5 * (u + size), tf.math.softplus(-size)
    # What is large in the tails leaves the sums, and with it its rounding.
    most = tf.stop_gradient(tf.reduce_max(low, axis=0))
    least = tf.stop_gradient(tf.reduce_min(high, axis=0))
    below = log_weights - rest + (low - most)
    above = log_weights - rest - (high - least)
    log_cdf, log_survival = [tf.reduce_logsumexp(part, 0) for part in (below, above)]
    terms = (below - log_cdf) + (above - log_survival) - log_weights - log_scales
    logit = log_cdf - log_survival + (most + least)
    return logit, tf.reduce_logsumexp(terms, axis=0)


def _logit_and_slope(x: tf.Tensor, *params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    logit, log_slope = _logit_and_log_slope(x, *params)
    return logit, tf.exp(tf.maximum(log_slope, _LEAST_LOG_SLOPE))


@keras.saving.register_keras_serializable("tfflows")
class MixtureLogisticCoupling(Coupling):
    """`Coupling` by logistic mixtures, see `MixtureLogisticLaw`.

    With tau^-1(x, c) = exp(a) logit(F(x)) + b, F the distribution function of a
    mixture of logistics:

      forward:          x_a = z_a,  x_b = tau(z_b, c(z_a)), found by iteration
      forward log-det:  sum ln dtau/dz_b
      inverse:          z_a = x_a,  z_b = tau^-1(x_b, c(x_a)), in one pass
      inverse log-det:  -sum ln dtau/dz_b

    Source: Ho et al., "Flow++", 2019, arXiv 1902.00275, section 3.2.

    Args:
      conditioner: As in `Coupling`.
      mask: As in `Coupling`.
      num_components: Number of logistics per element.
      **kwargs: `reverse`, `head` of `Coupling`; arguments of `FlowStep`.
    """

    def __init__(
        self,
        conditioner: keras.layers.Layer,
        mask: Any = "half",
        *,
        num_components: int = 8,
        **kwargs: Any,
    ) -> None:
        law = MixtureLogisticLaw(num_components)
        super().__init__(law, conditioner, mask, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        law = config.pop("law")
        return {**config, **law["config"]}
