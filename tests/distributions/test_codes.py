"""Distributions over categories, integers and numbers add up to 1, and draw so."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows.backend.codes import log_bins, log_far_bins
from tfflows.distributions import AutoregressiveCodes, Base, ColumnMixture

COLUMNS = {
    "categories": [2, 3],
    "centers": [5.0],
    "scales": [2.0],
    "atoms": [[4.0, 7.0]],
}
REACH = np.arange(-60, 70)


def codes(dtype="float64"):
    made = AutoregressiveCodes(4, COLUMNS, (8, 8), dtype=dtype)
    randomize(Base(made), size=0.5)
    return made


def mixture(heavy=False, indicators=None):
    made = ColumnMixture(
        4, 2, (3,), 2, heavy=heavy, indicators=indicators, dtype="float64"
    )
    randomize(Base(made), size=0.5)
    made.means.assign([[-2.0, 1.0, 0.5], [3.0, 0.0, -1.0]])
    return made


def grid_of_codes():
    """All codes, and a normal's 0 behind them."""
    return np.array(list(itertools.product(range(2), range(3), REACH, [0.0])))


def grid_of_mixture(x):
    return np.array(
        list(itertools.product(range(3), np.arange(-14, 16), np.arange(-14, 16), x))
    )


@pytest.mark.parametrize(
    ("bins", "law"),
    [(log_bins, scipy.stats.logistic), (log_far_bins, scipy.stats.cauchy)],
)
def test_rounded_laws_are_differences_of_distribution_functions(bins, law):
    n, scale = np.array([-3.3, 0.2, 2.0]), 0.7
    wanted = law.cdf((n + 0.5) / scale) - law.cdf((n - 0.5) / scale)
    found = bins(tf.constant(n), tf.constant(scale, tf.float64))
    np.testing.assert_allclose(found, np.log(wanted))
    # Where a difference would be rounded away.
    far = bins(tf.constant([1e4, -1e4]), tf.constant(1e3))
    wanted = law.logpdf(10.0) - np.log(1e3)
    np.testing.assert_allclose(far, [wanted, wanted], rtol=1e-4)


def test_probabilities_of_codes_add_up_and_are_those_of_draws():
    made, rows = codes(), grid_of_codes()
    p = np.exp(made.log_prob(rows)) * np.sqrt(2 * np.pi)
    assert p.sum() == pytest.approx(1.0, abs=1e-6)
    drawn = made.sample(5000, seed=1).numpy()
    for column, code in ((0, 0), (1, 2), (2, 4), (2, 5), (2, 7)):
        share = np.mean(drawn[:, column] == code)
        assert share == pytest.approx(p[rows[:, column] == code].sum(), abs=0.03)
    products = rows[:, 0] * rows[:, 1] * rows[:, 2]
    found = np.mean(drawn[:, 0] * drawn[:, 1] * drawn[:, 2])
    assert found == pytest.approx(p @ products, rel=0.1)
    assert scipy.stats.kstest(drawn[:, 3], "norm").pvalue > 1e-3


def test_codes_depend_on_earlier_ones_alone():
    made = codes()
    for place in range(3):
        laws = [
            made._laws(tf.constant(row, tf.float64))[place]
            for row in ([[0.0, 1, 4]], [[0.0, 1, 9]], [[0.0, 2, 9]], [[1.0, 2, 9]])
        ]
        first = [np.allclose(laws[0], law) for law in laws]
        assert first == [True, True, place < 2, place < 1]


def test_a_network_starts_from_the_shares_of_columns():
    made = AutoregressiveCodes(3, {**COLUMNS, "atoms": [[4.0]]}, (4,), dtype="float64")
    x = np.array([[0, 0, 4]] * 60 + [[1, 2, 9]] * 40, float)
    made.start_from(x, np.ones(100))
    rows = np.array(list(itertools.product(range(2), range(3), REACH)))
    p = np.exp(made.log_prob(rows))
    assert p[rows[:, 0] == 0].sum() == pytest.approx(0.6, abs=0.02)
    assert p[rows[:, 1] == 1].sum() == pytest.approx(0.0, abs=0.02)
    assert p[rows[:, 2] == 4].sum() == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize("indicators", [None, (-1, 0, 0)])
def test_the_mixture_adds_up_and_its_draws_follow_it(indicators):
    x = np.linspace(-9, 9, 61)
    made, rows = mixture(indicators=indicators), grid_of_mixture(x)
    p = np.exp(made.log_prob(rows)).reshape(3, 30, 30, 61) * (x[1] - x[0])
    if indicators:  # of missing cells, what the row holds does not count
        p[1] /= 30 * 18.3
        np.testing.assert_allclose(p[1], np.broadcast_to(p[1][:, :1, :1], p[1].shape))
    assert p.sum() == pytest.approx(1.0, abs=1e-3)
    drawn = made.sample(8000, seed=1).numpy()
    assert np.mean(drawn[:, 0] == 1) == pytest.approx(p[1].sum(), abs=0.03)
    n = np.arange(-14, 16)
    assert drawn[:, 1].mean() == pytest.approx(p.sum((0, 2, 3)) @ n, abs=0.1)
    there = drawn[drawn[:, 0] != 1] if indicators else drawn
    rest = np.delete(p, 1, axis=0) if indicators else p
    wanted = np.einsum("cnmx,m,x->", rest, n, x) / rest.sum()
    assert np.mean(there[:, 2] * there[:, 3]) == pytest.approx(wanted, abs=0.2)


def test_heavy_tails_add_up():
    rng = np.random.default_rng(0)
    made = ColumnMixture(2, 1, num_integers=1, heavy=True, dtype="float64")
    made.log_scales.assign([[0.5, 0.0]])
    n = np.arange(-4000, 4001)
    p = np.exp(made.log_prob(np.stack([n, np.zeros(8001)], axis=1)))
    p /= scipy.stats.t(2).pdf(0.0)
    assert p.sum() == pytest.approx(1.0, abs=1e-3)
    x = rng.normal(size=5) * 3
    found = made.log_prob(np.stack([np.zeros(5), x], axis=1)) - np.log(p[4000])
    np.testing.assert_allclose(found, scipy.stats.t(2).logpdf(x))
    far = made.log_prob([[1e6, 0.0], [0.0, -1e30]])
    assert np.isfinite(far).all()


@pytest.mark.parametrize("make", [codes, mixture])
def test_codes_are_no_numbers_to_temper(make):
    base = Base(make())
    seeds = tf.constant([[1, 2], [3, 4], [5, 6]])
    warm, cold = (base.sample_rows(seeds, tf.fill([3], t)) for t in (1.0, 0.0))
    np.testing.assert_array_equal(warm[:, :3], cold[:, :3])
    assert np.all(warm[:, 3] != cold[:, 3])
    wrong = np.tile(base.sample_rows(seeds[:1], tf.ones(1)), (3, 1))
    wrong[0, 0], wrong[1, 0], wrong[2, 2] = -1, 0.5, 0.5
    np.testing.assert_array_equal(base.log_prob(wrong), [-np.inf] * 3)
