"""A table of every kind of column, whose density is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.stats

COLOURS = ("red", "blue", "green")
SHARES, RATES, MEANS = (0.5, 0.3, 0.2), (2.0, 6.0, 20.0), (-3.0, 0.0, 4.0)


def mixed(rows, seed=0):
    """Rows of a category, an integer, a rounded and a real column."""
    rng = np.random.default_rng(seed)
    colour = rng.choice(3, size=rows, p=SHARES)
    count = rng.poisson(np.array(RATES)[colour])
    price = np.round(rng.gamma(2.0, 3.0, rows) + count, 2)
    names = pd.Categorical(
        np.array(COLOURS)[colour], categories=["red", "green", "blue", "white"]
    )
    x = rng.normal(np.array(MEANS)[colour], 1.0)
    return pd.DataFrame({"colour": names, "count": count, "price": price, "x": x})


def log_density(frame):
    """The truth, with respect to counting and Lebesgue measure."""
    colour = np.array([COLOURS.index(name) for name in frame["colour"]])
    count = frame["count"].to_numpy()
    gamma = scipy.stats.gamma.logpdf(frame["price"] - count, 2.0, scale=3.0)
    return (
        np.log(np.array(SHARES))[colour]
        + scipy.stats.poisson.logpmf(count, np.array(RATES)[colour])
        + gamma
        + scipy.stats.norm.logpdf(frame["x"], np.array(MEANS)[colour], 1.0)
    )


def two_normals(rows, seed=0):
    """A category that shifts two normals, and the truth by hand."""
    rng = np.random.default_rng(seed)
    second = rng.uniform(size=rows) < 0.4
    z = rng.normal(size=(rows, 2))
    shift = np.where(second[:, None], [3.0, -2.0], [0.0, 0.0])
    frame = pd.DataFrame(10.0 * (z + shift), columns=["a", "b"])
    frame.insert(1, "kind", np.where(second, "new", "old"))
    truth = np.log(np.where(second, 0.4, 0.6)) + scipy.stats.norm.logpdf(z).sum(axis=1)
    return frame, truth - 2 * np.log(10.0)
