import math

import numpy as np
import pytest

from tfflows.data import toy

TOYS = list(toy.TOYS.values())
KNOWN = [density for density in TOYS if density.has_log_prob]


def _grid(cells_per_unit=50, edge=6):
    step = 1 / cells_per_unit
    centres = np.arange(-edge + step / 2, edge, step)
    return np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2), step**2


def test_all_but_the_moons_have_a_density():
    assert {density.name for density in KNOWN} == set(toy.TOYS) - {"two_moons"}


@pytest.mark.parametrize("density", TOYS, ids=lambda d: d.name)
def test_sample_is_float32_and_fixed_by_its_seed(density):
    x = density.sample(1000, 3)
    assert x.shape == (1000, 2)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, density.sample(1000, 3))
    assert not np.array_equal(x, density.sample(1000, 4))
    assert np.abs(x).max() < 6


@pytest.mark.parametrize("density", KNOWN, ids=lambda d: d.name)
def test_density_integrates_to_one(density):
    x, area = _grid()
    assert math.isclose(np.exp(density.log_prob(x)).sum() * area, 1, abs_tol=1e-3)


@pytest.mark.parametrize("density", KNOWN, ids=lambda d: d.name)
def test_samples_follow_the_density(density):
    # The mean log-likelihood of samples is minus the entropy of the density, and
    # each unit square holds as many samples as the density gives it.
    x, area = _grid()
    log_prob = density.log_prob(x)
    p = np.exp(log_prob) * area
    entropy = -np.sum(p[p > 0] * log_prob[p > 0])
    samples = density.sample(40_000, 0)
    assert math.isclose(-density.log_prob(samples).mean(), entropy, abs_tol=0.02)
    edges = np.arange(-6, 7)
    observed = np.histogram2d(*samples.T, bins=[edges, edges])[0] / len(samples)
    expected = np.histogram2d(*x.T, bins=[edges, edges], weights=p)[0]
    np.testing.assert_allclose(observed, expected, atol=0.01)


def test_eight_gaussians_have_the_stated_radius_and_sd():
    x = toy.eight_gaussians.sample(80_000, 1)
    distance = np.linalg.norm(x[:, None] - toy.eight_gaussians.means, axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(toy.eight_gaussians.means, axis=-1), 2.83, rtol=1e-6
    )
    offset = x - toy.eight_gaussians.means[distance.argmin(axis=1)]
    assert math.isclose(offset.std(), 0.354, rel_tol=0.02)


def test_three_gaussians_density_at_a_centre():
    squared = np.array([0.0, 16.0, 4 + 2.5**2])
    p = np.mean(np.exp(-squared / (2 * 0.49))) / (2 * math.pi * 0.49)
    got = toy.three_gaussians.log_prob(np.array([[-2.0, 0.0]]))
    np.testing.assert_allclose(got, [math.log(p)], rtol=1e-12)


def test_two_moons_lie_near_their_curves():
    x = toy.two_moons.sample(5000, 0)
    to_upper = np.abs(np.linalg.norm(x, axis=-1) - 1)
    to_lower = np.abs(np.linalg.norm(x - [1, 0.5], axis=-1) - 1)
    assert np.quantile(np.minimum(to_upper, to_lower), 0.99) < 0.3
    assert math.isclose((to_upper < to_lower).mean(), 0.5, abs_tol=0.05)


def test_checkerboard_support_and_entropy():
    x = toy.checkerboard.sample(200_000, 0)
    np.testing.assert_allclose(toy.checkerboard.log_prob(x), -math.log(32))
    assert toy.checkerboard.entropy == math.log(32)
    outside = np.array([[-3.0, -1.0], [4.0, 3.0], [-5.0, -3.0], [np.inf, -np.inf]])
    assert np.all(toy.checkerboard.log_prob(outside) == -np.inf)


def test_checkerboard_samples_do_not_round_off_the_board():
    class EdgeGenerator(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, np.nextafter(high, low))

    rng = EdgeGenerator(np.random.PCG64(0))
    x = toy.checkerboard._sample(100, rng).astype(np.float32)
    assert np.isfinite(toy.checkerboard.log_prob(x)).all()


def test_bad_input():
    with pytest.raises(NotImplementedError, match="two_moons"):
        toy.two_moons.log_prob(np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"expected points of shape \[n, 2\]"):
        toy.rings.log_prob(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        toy.rings.log_prob(np.full((1, 2), np.nan))
    with pytest.raises(ValueError, match="expected n"):
        toy.rings.sample(0)
    with pytest.raises(ValueError, match="expected seed"):
        toy.rings.sample(1, seed=-1)
