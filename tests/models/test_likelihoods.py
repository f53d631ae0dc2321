"""Likelihoods: masses sum to one, means and draws agree with them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows import models
from tfflows.backend import random
from tfflows.vae.likelihoods import as_likelihood

DISCRETE = {
    "bernoulli": models.BernoulliLikelihood(),
    "logistic": models.DiscretizedLogisticLikelihood(7),
    "categorical": models.CategoricalLikelihood(5),
}


def params(likelihood, rows=1, channels=2, size=0.7):
    rng = np.random.default_rng(0)
    shape = (1, 3, likelihood.num_params * channels)
    return tf.constant(np.repeat(size * rng.normal(size=shape), rows, axis=0))


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize("size", [0.7, 30.0])
def test_masses_sum_to_one(name, size):
    likelihood = DISCRETE[name]
    levels = np.arange(likelihood.levels, dtype="float64")
    values = [
        likelihood.log_prob(
            tf.fill((1, 3, 2), tf.constant(k)), params(likelihood, size=size)
        )
        for k in levels
    ]
    assert np.isfinite(values).all()
    np.testing.assert_allclose(np.exp(values).sum(axis=0), 1.0)


@pytest.mark.parametrize("name", [*DISCRETE, "gaussian"])
def test_draws_follow_the_law(name):
    likelihood = DISCRETE.get(name) or models.GaussianLikelihood()
    rows = 20_000
    p = params(likelihood, rows)
    seeds = random.fold_in(random.as_seed(0), tf.range(rows))
    x = likelihood.sample(p, seeds)
    assert x.shape == (rows, 3, 2)
    mean = likelihood.mean(p)[0]
    np.testing.assert_allclose(np.mean(x, axis=0), mean, atol=0.1)
    np.testing.assert_array_equal(likelihood.sample(p[:2], seeds[:2]), x[:2])


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize("size", [0.7, 30.0])
def test_means_are_those_of_an_enumeration(name, size):
    likelihood = DISCRETE[name]
    p = params(likelihood, size=size)
    levels = np.arange(likelihood.levels, dtype="float64")
    masses = [
        np.exp(likelihood.log_prob(tf.fill((1, 3, 2), tf.constant(k)), p))
        for k in levels
    ]
    wanted = np.tensordot(levels, masses, axes=1)
    np.testing.assert_allclose(likelihood.mean(p), wanted, atol=1e-9)
    compiled = tf.function(likelihood.mean, jit_compile=True)
    np.testing.assert_allclose(compiled(p), wanted, atol=1e-9)


def test_the_discretized_logistic_is_the_difference_of_two_sigmoids():
    likelihood = models.DiscretizedLogisticLikelihood(256)
    p = tf.constant([[0.4, -2.0]], tf.float64)
    k = 100.0
    ends = [(k + side) / 255.0 - 0.4 for side in (-0.5, 0.5)]
    a, b = [1 / (1 + np.exp(-end * np.exp(2.0))) for end in ends]
    log_prob = likelihood.log_prob(tf.constant([[k]], tf.float64), p)
    np.testing.assert_allclose(log_prob, [[np.log(b - a)]])


def test_far_from_the_mean_gradients_stay_finite():
    likelihood = models.DiscretizedLogisticLikelihood(256)
    p = tf.constant([[9.0, -7.0], [-9.0, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(p)
        log_prob = likelihood.log_prob(tf.constant([[3.0], [255.0]]), p)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, p)).all()


def test_the_gaussian_is_tfps():
    likelihood, p = models.GaussianLikelihood(), params(models.GaussianLikelihood())
    x = np.random.default_rng(1).normal(size=(1, 3, 2))
    mean, log_scale = np.split(p.numpy(), 2, axis=-1)
    wanted = tfd.Normal(mean, np.exp(log_scale)).log_prob(x)
    np.testing.assert_allclose(likelihood.log_prob(tf.constant(x), p), wanted)


def test_names_configs_and_errors():
    assert as_likelihood("categorical").num_params == 256
    for likelihood in (*DISCRETE.values(), models.GaussianLikelihood(-3.0)):
        copy = type(likelihood).from_config(likelihood.get_config())
        assert copy.get_config() == likelihood.get_config()
    for cls in (models.DiscretizedLogisticLikelihood, models.CategoricalLikelihood):
        with pytest.raises(ValueError, match="levels >= 2"):
            cls(1)
    with pytest.raises(ValueError, match="finite data"):
        models.GaussianLikelihood().checked(tf.constant([np.inf]))
