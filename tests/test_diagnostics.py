"""Diagnostics of inference, against laws that are known."""

import numpy as np
import pytest
import scipy.stats

from tfflows import diagnostics

OBSERVATIONS, DRAWS = 400, 99


def problem(width=1.0, seed=0):
    """theta ~ N(0, 1), y ~ N(theta, 1): the posterior is N(y / 2, 1 / 2)."""
    rng = np.random.default_rng(seed)
    truths = rng.normal(size=(OBSERVATIONS, 2))
    y = truths + rng.normal(size=truths.shape)
    noise = rng.normal(size=(OBSERVATIONS, DRAWS, 2))
    return y[:, None] / 2 + width * np.sqrt(0.5) * noise, truths


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_ranks_of_wrong_posteriors_leave_the_bands(width):
    ranks = diagnostics.calibration_ranks(*problem(width))
    _, low, high = diagnostics.ecdf_bands(OBSERVATIONS, DRAWS)
    counts = np.cumsum(np.bincount(ranks[:, 0], minlength=DRAWS + 1)) / OBSERVATIONS
    assert np.any((counts < low) | (counts > high))


def test_bands_hold_whole_curves_as_often_as_they_say():
    points, low, high = diagnostics.ecdf_bands(100, 19, probability=0.9)
    assert np.all((low <= points) & (points <= high))
    rng, inside = np.random.default_rng(7), 0
    for _ in range(1000):
        counts = np.bincount(rng.integers(0, 20, 100), minlength=20).cumsum() / 100
        inside += np.all((low <= counts) & (counts <= high))
    assert inside / 1000 == pytest.approx(0.9, abs=0.04)


def test_coverage_is_the_level_where_posteriors_are_right():
    shares = diagnostics.coverage(*problem(), levels=(0.5, 0.9))
    assert shares.shape == (2, 2)
    np.testing.assert_allclose(shares, [[0.5] * 2, [0.9] * 2], atol=0.08)
    # Intervals of N(y/2, 1/8) that should hold half: the truth is in erf(.477 / 2).
    narrow = diagnostics.coverage(*problem(0.5), levels=(0.5,))
    exact = 2 * scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.75) / 2) - 1
    np.testing.assert_allclose(narrow, exact, atol=0.08)


def test_recovery_of_a_normal_mean():
    found = diagnostics.recovery(*problem())
    assert found.mean.shape == found.deviation.shape == (OBSERVATIONS, 2)
    np.testing.assert_allclose(found.correlation, np.sqrt(0.5), atol=0.08)
    np.testing.assert_allclose(found.rmse, np.sqrt(0.5), atol=0.06)
    np.testing.assert_allclose(found.contraction, 0.5, atol=0.1)


def test_c2st_is_the_best_accuracy_that_there_is():
    rng = np.random.default_rng(0)
    x, same, moved = rng.normal(size=(3, 400, 2))
    assert diagnostics.c2st(x, same) == pytest.approx(0.5, abs=0.06)
    exact = scipy.stats.norm.cdf(np.sqrt(2))  # two means at a distance of 2 sqrt(2)
    assert diagnostics.c2st(x, moved + 2) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d, t: diagnostics.calibration_ranks(d[0], t), "expected draws"),
        (lambda d, t: diagnostics.coverage(d, t[1:]), "expected draws"),
        (lambda d, t: diagnostics.coverage(d, t, (1.0,)), "levels > 0 and < 1"),
        (lambda d, t: diagnostics.recovery(d, t * np.nan), "finite numbers in truths"),
        (lambda d, t: diagnostics.recovery(d, 0 * t), "truths that vary"),
        (lambda d, t: diagnostics.c2st(t, t[:, :1]), "as many columns"),
        (lambda d, t: diagnostics.c2st(t, t[:3]), "5 rows or more"),
        (lambda d, t: diagnostics.c2st(t[0], t), "expected x as rows"),
        (lambda d, t: diagnostics.ecdf_bands(9, 9, 1.0), "probability > 0 and < 1"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call(*problem())
