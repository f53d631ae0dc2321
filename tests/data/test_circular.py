"""Toy densities of angles: normalised, and what their samples follow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfflows.data import load
from tfflows.data.circular import CIRCULAR, cylinder, von_mises


@pytest.mark.parametrize("toy", CIRCULAR.values(), ids=lambda toy: toy.name)
def test_the_density_integrates_to_one_and_samples_follow_it(toy):
    angle = (np.arange(200) + 0.5) * math.pi / 100 - math.pi
    other = angle if toy.circular[1] else np.linspace(-4.0, 4.0, 401)
    x = np.stack(np.meshgrid(angle, other), axis=-1).reshape(-1, 2)
    log_prob = toy.log_prob(x)
    p = np.exp(log_prob) * (angle[1] - angle[0]) * (other[1] - other[0])
    assert p.sum() == pytest.approx(1.0, abs=1e-3)
    samples = toy.sample(40_000, 0)
    assert samples.dtype == np.float32
    entropy = -np.sum(p * log_prob)
    assert -toy.log_prob(samples).mean() == pytest.approx(entropy, abs=0.02)
    edges = np.linspace(-math.pi, math.pi, 9), np.linspace(-4.0, 4.0, 9)
    found = np.histogram2d(*samples.T, bins=edges)[0] / len(samples)
    wanted = np.histogram2d(*x.T, bins=edges, weights=p)[0]
    np.testing.assert_allclose(found, wanted, atol=0.01)


def test_the_density_is_periodic_and_zero_outside_of_the_period():
    for toy in (von_mises, cylinder):
        left, right, outside = toy.log_prob([[-np.pi, 1.0], [np.pi, 1.0], [3.2, 1.0]])
        assert left == pytest.approx(right)
        assert outside == -np.inf
    assert np.isfinite(cylinder.log_prob([[0.0, 4.0]]))
    assert von_mises.log_prob([[0.0, 4.0]]) == -np.inf


def test_a_source_is_drawn_from_it():
    x = load("cylinder").arrays("train")
    assert x.shape == (50_000, 2)
    assert np.abs(x[:, 0]).max() == pytest.approx(np.pi, abs=1e-2)
    assert np.isfinite(cylinder.log_prob(x)).all()
