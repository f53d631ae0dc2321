"""Calibration: ranks, and the test of their uniformity."""

from __future__ import annotations

import numpy as np
import pytest

from tfflows import metrics


def ranks_of(shift=0.0, scale=1.0, number=2000, num_draws=99):
    """Ranks in a conjugate normal model, drawn from a posterior that may be wrong."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(number, 2))
    observation = theta + rng.normal(size=theta.shape)
    noise = rng.normal(size=(number, num_draws, 2))
    mean = 0.5 * observation[:, np.newaxis] + np.array([shift, 0.0])
    draws = mean + np.sqrt(0.5) * np.array([1.0, scale]) * noise
    return metrics.calibration_ranks(draws, theta)


def test_ranks_count_the_draws_below():
    draws = np.array([[[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]])
    ranks = metrics.calibration_ranks(draws, [[2.5, 0.0]])
    np.testing.assert_array_equal(ranks, [[2, 0]])


def test_ranks_of_the_right_posterior_are_uniform():
    assert np.all(metrics.uniformity_p_values(ranks_of(), 99) > 0.01)


def test_a_wrong_mean_or_width_is_seen_in_its_own_coordinate():
    shifted, narrow = ranks_of(shift=0.2), ranks_of(scale=0.7)
    first = metrics.uniformity_p_values(shifted, 99)
    assert first[0] < 1e-6 < first[1]
    second = metrics.uniformity_p_values(narrow, 99)
    assert second[1] < 1e-6 < second[0]


def test_p_values_of_uniform_ranks_are_uniform_themselves():
    rng = np.random.default_rng(1)
    ranks = rng.integers(0, 100, (500, 1000))
    p_values = metrics.uniformity_p_values(ranks, 99)
    assert abs(np.mean(p_values < 0.1) - 0.1) < 0.03
    assert abs(np.mean(p_values) - 0.5) < 0.04


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: metrics.calibration_ranks(np.ones((2, 3)), np.ones((2, 3))),
            "N, L, D",
        ),
        (
            lambda: metrics.calibration_ranks(np.ones((2, 9, 3)), np.ones((1, 3))),
            r"shapes \(2, 9, 3\) and \(1, 3\)",
        ),
        (
            lambda: metrics.calibration_ranks(
                np.full((2, 9, 3), np.nan), np.ones((2, 3))
            ),
            "expected finite draws",
        ),
        (lambda: metrics.uniformity_p_values([[0.5]], 9, 2), "expected integer ranks"),
        (
            lambda: metrics.uniformity_p_values([[10]], 9, 2),
            "from 0 to 9, got 10 to 10",
        ),
        (lambda: metrics.uniformity_p_values([[1]], 9, 3), "divides the 10 possible"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
