"""The steps of rounded columns are found, and columns of full precision have none."""

from __future__ import annotations

import numpy as np
import pytest

from tfflows.sklearn import FlowDensity
from tfflows.sklearn.rounding import step_of

Z = np.random.default_rng(0).normal(size=400)
STEPS = {
    "tenths": (Z.round(1), 0.1),
    "prices": ((300 + 5 * Z).round(2), 0.01),
    "halves": (np.round(Z * 4) / 2, 0.5),
    "standardised": (((Z.round(1) - 0.3) / 0.7), 0.1 / 0.7),
    "thousands": (np.round(Z * 20) * 1000.0, 1000.0),
    "float32": (Z.round(1).astype("float32").astype("float64"), 0.1),
    "real": (Z, 0.0),
    "real_float32": (Z.astype("float32").astype("float64"), 0.0),
    "zeros": (np.maximum(Z, 0.0), 0.0),
    "repeated_rows": (np.repeat(Z[:100], 4), 0.0),
    "few_without_ties": (np.arange(10.0), 0.0),
    "many_without_ties": (np.arange(40) * 0.25 + 7, 0.25),
    "six_digits": (Z.round(6), 0.0),
    "constant": (np.ones(9), 0.0),
}


@pytest.mark.parametrize(("column", "step"), STEPS.values(), ids=STEPS)
def test_steps(column, step):
    assert step_of(column) == pytest.approx(step, rel=1e-4)


@pytest.mark.filterwarnings("ignore:columns 0 .8 distinct values.:UserWarning")
def test_a_rounded_column_has_the_density_of_what_it_was_rounded_from():
    x = np.stack([Z.round(0), 3 + Z[::-1]], axis=1)
    with pytest.warns(UserWarning, match=r"columns rounded to steps, 0 \(1\), have"):
        density = FlowDensity(random_state=0, max_seconds=0.5).fit(x)
    grid = np.stack([np.linspace(-4, 4, 9), np.full(9, 3.0)], axis=1)
    p = np.exp(density.score_samples(grid))
    # Probabilities of the numbers, whose steps are 1 wide, times a normal's density.
    assert p.sum() == pytest.approx(0.4, abs=0.08)
    drawn = density.sample(50)
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 0].round())
