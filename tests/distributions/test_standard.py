"""The bases against closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfflows.distributions import (
    Base,
    StandardLogistic,
    StandardNormal,
    StandardStudentT,
)

CASES = [(StandardNormal, scipy.stats.norm), (StandardLogistic, scipy.stats.logistic)]
HEAVY = [(StandardStudentT, scipy.stats.t(2))]


@pytest.mark.parametrize(("cls", "reference"), CASES)
def test_densities_moments_and_entropy_are_scipys(cls, reference):
    base = cls((2, 3), dtype="float64")
    z = np.random.default_rng(0).normal(size=(5, 2, 3)) * 3.0
    wanted = reference.logpdf(z).sum(axis=(1, 2))
    np.testing.assert_allclose(base.log_prob(z), wanted)
    np.testing.assert_allclose(base.stddev(), reference.std() * np.ones((2, 3)))
    np.testing.assert_allclose(base.entropy(), 6 * reference.entropy())
    assert np.isfinite(base.log_prob(np.full((2, 3), 500.0)))


def test_a_students_tails_reach_as_far_as_floats():
    base, z = StandardStudentT(2), np.array([[0.5, -3.0], [1e30, 0.0], [-1e38, 1.0]])
    wanted = scipy.stats.t(2).logpdf(z).sum(axis=1)
    np.testing.assert_allclose(base.log_prob(z.astype("float32")), wanted, rtol=1e-5)


@pytest.mark.parametrize(("cls", "reference"), CASES + HEAVY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_pass_a_kolmogorov_smirnov_test(cls, reference, dtype):
    draws = cls(10, dtype=dtype).sample(5000, seed=3).numpy().ravel()
    assert scipy.stats.kstest(draws, reference.cdf).pvalue > 1e-3


def test_a_row_depends_on_its_seed_alone():
    base, seeds = StandardNormal(7), tf.constant([[1, 2], [3, 4], [-5, 6]])
    rows = base.sample_rows(seeds)
    np.testing.assert_allclose(base.sample_rows(seeds[1:2]), rows[1:2], rtol=1e-6)
    assert len(np.unique(rows)) == 21


def test_the_layer_names_what_is_no_location():
    import tensorflow_probability as tfp

    class Bare(tfp.distributions.Normal):
        def _mean(self):
            raise NotImplementedError

        _mode = _mean

    layer = Base(tfp.distributions.Independent(Bare(tf.zeros(2), 1.0), 1))
    seeds = tf.zeros((2, 2), tf.int32)
    assert layer.sample_rows(seeds, tf.ones(2)).shape == (2, 2)
    with pytest.raises(ValueError, match="has neither mode"):
        layer.sample_rows(seeds, tf.fill([2], 0.5))


def test_a_base_without_a_mean_is_scaled_around_its_mode():
    import tensorflow_probability as tfp

    cauchy = tfp.distributions.Cauchy(tf.constant([2.0, 3.0]), 1.0)
    layer = Base(tfp.distributions.Independent(cauchy, 1))
    seeds = tf.constant([[1, 2], [3, 4]])
    assert np.isfinite(layer.sample_rows(seeds, tf.ones(2))).all()
    cold = layer.sample_rows(seeds, tf.zeros(2))
    np.testing.assert_allclose(cold, [[2.0, 3.0]] * 2)


def test_an_event_shape_that_is_none_is_named():
    with pytest.raises(ValueError, match="expected event_shape of sizes >= 1"):
        StandardNormal(0)
