"""Log-densities that are -inf outside the support, whatever TFP returns there."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows.backend import domains

# Densities on a circle, which are periodic.
_PERIODIC = ("VonMises", "PowerSpherical", "VonMisesFisher")


def has_bounded_support(distribution: tfd.Distribution) -> bool:
    """Returns whether some values may have density 0."""
    if isinstance(getattr(distribution, "has_bounded_support", None), bool):
        return distribution.has_bounded_support
    if domains.is_of_class(distribution, "Independent", "Sample"):
        return has_bounded_support(distribution.distribution)
    if domains.is_of_class(distribution, "MixtureSameFamily"):
        return has_bounded_support(distribution.components_distribution)
    if domains.is_of_class(distribution, "Mixture"):
        return any(map(has_bounded_support, distribution.components))
    return _support(distribution) is not None


def log_prob_in_support(
    distribution: tfd.Distribution, value: tf.Tensor, **kwargs: Any
) -> tf.Tensor:
    """Returns `log_prob`, -inf outside the support, with finite gradients.

    Stock TFP returns NaN there (Beta, Gamma, LogNormal) or a number (Exponential,
    Chi2).

    Args:
      distribution: Any `tfd.Distribution`.
      value: `[..., *batch, *event]`.
      **kwargs: Arguments of its `log_prob`.

    Returns:
      `[..., *batch]`, in nats.
    """
    knows = getattr(distribution, "knows_its_support", False)
    if knows or not has_bounded_support(distribution):
        return distribution.log_prob(value, **kwargs)
    if domains.is_of_class(distribution, "Independent"):
        return _of_independent(distribution, value, **kwargs)
    if domains.is_of_class(distribution, "MixtureSameFamily"):
        return _of_same_family(distribution, value, **kwargs)
    if domains.is_of_class(distribution, "Mixture"):
        return _of_mixture(distribution, value, **kwargs)
    support = _support(distribution)
    if support is None:  # tfd.Sample, which reorders axes
        support = distribution.experimental_default_event_space_bijector()
    return _masked(distribution, support, value, **kwargs)


def _support(distribution: tfd.Distribution) -> Any:
    """Returns the bijector onto the support; None if it is everything or unknown."""
    if domains.is_of_class(distribution, *_PERIODIC):
        return None
    try:
        support = distribution.experimental_default_event_space_bijector()
    except (NotImplementedError, TypeError):  # TFP's own, some of which NumPy 2 broke
        return None
    if support is None or tf.nest.is_nested(distribution.dtype):
        return None
    return None if domains.is_onto(support) else support


def _masked(
    distribution: Any, support: Any, value: tf.Tensor, **kwargs: Any
) -> tf.Tensor:
    fixed = tf.stop_gradient(value)
    latents = support.inverse(tf.identity(fixed))
    ndims = latents.shape.rank - len(distribution.event_shape)
    outside = tf.reduce_any(
        tf.math.is_nan(latents), axis=list(range(ndims, latents.shape.rank))
    )
    on_border = ~domains.all_of_row(tf.math.is_finite(latents), ndims)
    point = support.forward(tf.fill(tf.shape(latents), tf.constant(0.5, value.dtype)))
    point = tf.stop_gradient(point)
    # On the border a density may be 0, finite or infinite: TFP decides.
    at = distribution.log_prob(domains.select_rows(outside, point, fixed), **kwargs)
    nowhere = outside | (on_border & ~tf.math.is_finite(at))
    infinite = tf.where(outside | tf.math.is_nan(at), _minus_infinity(at), at)
    inner = domains.select_rows(nowhere, point, value)
    return tf.where(nowhere, infinite, distribution.log_prob(inner, **kwargs))


def _of_independent(distribution: Any, value: tf.Tensor, **kwargs: Any) -> tf.Tensor:
    each = log_prob_in_support(distribution.distribution, value, **kwargs)
    ndims = len(distribution.event_shape) - len(distribution.distribution.event_shape)
    axes = list(range(-ndims, 0))
    # One element of density 0 is enough, even if another's density is infinite.
    zero = domains.outside(each)
    nowhere = tf.reduce_any(zero, axis=axes)
    log_prob = tf.reduce_sum(tf.where(zero, tf.zeros_like(each), each), axis=axes)
    return tf.where(nowhere, _minus_infinity(log_prob), log_prob)


def _of_same_family(distribution: Any, value: tf.Tensor, **kwargs: Any) -> tf.Tensor:
    event_ndims = len(distribution.event_shape)
    axis = value.shape.rank - event_ndims
    each = log_prob_in_support(
        distribution.components_distribution, tf.expand_dims(value, axis), **kwargs
    )
    return _mixed(each, distribution.mixture_distribution)


def _of_mixture(distribution: Any, value: tf.Tensor, **kwargs: Any) -> tf.Tensor:
    parts = distribution.components
    each = [log_prob_in_support(part, value, **kwargs) for part in parts]
    return _mixed(tf.stack(each, axis=-1), distribution.cat)


def _mixed(each: tf.Tensor, categorical: Any) -> tf.Tensor:
    """Returns log-densities of a mixture from those of its components `[..., K]`."""
    nowhere = tf.reduce_all(tf.equal(each, _minus_infinity(each)), axis=-1)
    each = domains.select_rows(nowhere, tf.zeros_like(each), each)
    weights = tf.nn.log_softmax(categorical.logits_parameter())
    log_prob = tf.reduce_logsumexp(weights + each, axis=-1)
    return tf.where(nowhere, _minus_infinity(log_prob), log_prob)


def _minus_infinity(like: tf.Tensor) -> tf.Tensor:
    return tf.constant(-math.inf, like.dtype)
