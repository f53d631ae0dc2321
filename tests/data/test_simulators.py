"""Posteriors in closed form: against Bayes' rule on a grid, and their own draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import tfflows.data
from tfflows.data.simulators import SIMULATORS, linear_gaussian, sbi_two_moons

each_simulator = pytest.mark.parametrize(
    "simulator", SIMULATORS.values(), ids=SIMULATORS
)


@each_simulator
def test_pairs_are_float32_and_fixed_by_their_seed(simulator):
    theta, observation = simulator.sample(500, 3)
    assert theta.shape == (500, simulator.theta_dim)
    assert observation.shape == (500, simulator.observation_dim)
    assert theta.dtype == observation.dtype == np.float32
    for again, first in zip(
        simulator.sample(500, 3), (theta, observation), strict=True
    ):
        np.testing.assert_array_equal(again, first)
    assert not np.array_equal(theta, simulator.sample(500, 4)[0])
    assert np.isfinite(simulator.posterior_log_prob(theta, observation)).all()


def test_the_linear_gaussian_posterior_is_bayes_rule():
    rng = np.random.default_rng(0)
    theta, observation = rng.normal(size=(9, 3)), rng.normal(size=(9, 4))
    matrix, sd = linear_gaussian.matrix, linear_gaussian.sd
    evidence = matrix @ matrix.T + sd**2 * np.eye(4)
    wanted = (
        stats.multivariate_normal(np.zeros(3)).logpdf(theta)
        + stats.norm(theta @ matrix.T, sd).logpdf(observation).sum(axis=1)
        - stats.multivariate_normal(np.zeros(4), evidence).logpdf(observation)
    )
    log_prob = linear_gaussian.posterior_log_prob(theta, observation)
    np.testing.assert_allclose(log_prob, wanted, rtol=1e-10)
    one = linear_gaussian.posterior_log_prob(theta, observation[0])
    np.testing.assert_allclose(one[0], wanted[0], rtol=1e-10)


# The last one is cut by the edge of the prior, in three ways.
@pytest.mark.parametrize("theta", [(0.0, 0.0), (0.6, 0.1), (0.95, 0.98), (0.97, -0.9)])
def test_the_crescents_integrate_to_one_over_the_prior(theta):
    rng = np.random.default_rng(1)
    observation = sbi_two_moons._simulate(np.array([theta]), rng)[0]
    step = 1 / 500
    centres = np.arange(-1 + step / 2, 1, step)
    grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    density = np.exp(sbi_two_moons.posterior_log_prob(grid, observation))
    assert math.isclose(density.sum() * step**2, 1, abs_tol=5e-3)
    outside = sbi_two_moons.posterior_log_prob(np.array([[1.01, 0.0]]), observation)
    assert outside == -math.inf


@each_simulator
def test_draws_of_a_posterior_follow_its_density(simulator):
    _, observations = simulator.sample(3, 5)
    for observation in observations:
        drawn = simulator.posterior_sample(observation, 4000, seed=1)
        again = simulator.posterior_sample(observation, 4000, seed=1)
        np.testing.assert_array_equal(drawn, again)
        # Self-normalised draws from a box have the posterior's moments too.
        half_width = 1 if simulator is sbi_two_moons else 4
        shape = (200_000, simulator.theta_dim)
        box = np.random.default_rng(2).uniform(-half_width, half_width, shape)
        log_prob = simulator.posterior_log_prob(box, observation)
        weight = np.exp(log_prob - log_prob.max())
        share = weight / weight.sum()
        mean = share @ box
        error = 5 * (drawn.std(axis=0) / 4000**0.5 + np.sqrt(share @ share))
        assert np.all(np.abs(drawn.mean(axis=0) - mean) < error)
        second = share @ box**2
        assert np.all(np.abs((drawn**2).mean(axis=0) - second) < 2 * error)


def test_both_crescents_are_drawn():
    _, observations = sbi_two_moons.sample(1, 0)
    drawn = sbi_two_moons.posterior_sample(observations[0], 2000, seed=0)
    assert 0.4 < np.mean(drawn.sum(axis=1) > 0) < 0.6


@each_simulator
def test_bad_arguments_are_named(simulator):
    theta, observation = simulator.sample(4, 0)
    with pytest.raises(ValueError, match="expected n to be a positive"):
        simulator.sample(0)
    with pytest.raises(ValueError, match="expected seed"):
        simulator.sample(1, -1)
    with pytest.raises(ValueError, match=r"expected theta of shape \[n, "):
        simulator.posterior_log_prob(theta[0], observation)
    with pytest.raises(ValueError, match="one observation for each of 4 rows"):
        simulator.posterior_log_prob(theta, observation[:1])
    with pytest.raises(ValueError, match="observation to be finite"):
        simulator.posterior_log_prob(theta, np.full_like(observation, np.nan))
    with pytest.raises(ValueError, match=r"expected observation of shape \[n, "):
        simulator.posterior_sample(observation, 3)


def test_an_observation_that_cannot_be():
    with pytest.raises(
        ValueError, match="expected an observation that 'sbi_two_moons'"
    ):
        sbi_two_moons.posterior_sample([5.0, 0.0], 3)


@pytest.mark.parametrize("name", SIMULATORS)
def test_as_a_data_set(name):
    simulator = SIMULATORS[name]
    source = tfflows.data.load(name, label_as_context=True)
    assert source.event_shape == (simulator.theta_dim,)
    assert (source.levels, source.num_classes) == (None, None)
    batch = next(iter(source.dataset("validation", 7)))
    assert batch["x"].shape == (7, simulator.theta_dim)
    assert batch["context"].shape == (7, simulator.observation_dim)
    np.testing.assert_array_equal(batch["x"], source.arrays("validation", 7))
    np.testing.assert_array_equal(batch["context"], source.labels("validation", 7))
    drawn = simulator.sample(70_000, 0)
    rows = np.concatenate([source.arrays(split) for split in source.num_examples])
    np.testing.assert_allclose(
        np.sort(rows, axis=0), np.sort(drawn[0], axis=0), rtol=1e-6
    )
    unconditional = tfflows.data.load(name)
    assert "context" not in unconditional.dataset("test", 1).element_spec
