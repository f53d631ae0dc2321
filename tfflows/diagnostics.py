"""Is an inference right? Ranks, coverage, recovery, and two samples told apart.

`draws` are samples of posteriors, `[observations, draws, parameters]`, for example
`flow.sample(100, context=observations[:, None])`. `truths` are the parameters that
these observations were simulated from, `[observations, parameters]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tfflows.backend.arguments import check_count, check_number
from tfflows.metrics import calibration_ranks, uniformity_p_values

__all__ = [
    "Recovery",
    "c2st",
    "calibration_ranks",
    "coverage",
    "ecdf_bands",
    "recovery",
    "uniformity_p_values",
]


def ecdf_bands(
    num_observations: int,
    num_draws: int,
    probability: float = 0.95,
    num_simulations: int = 2000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bands that hold the whole distribution function of uniform ranks.

    Source: Saeilynoja, Buerkner and Vehtari, "Graphical Test for Discrete Uniformity
    and its Applications in Goodness of Fit Evaluation and Multiple Sample Comparison",
    2021, arXiv 2103.10522, section 2; the level of each point by simulation.

    Args:
      num_observations: Number of ranks, N.
      num_draws: The largest rank, L.
      probability: With which the empirical distribution function of N uniform ranks
        stays inside everywhere.
      num_simulations: Sets of N ranks that the bands are made from.
      seed: Of the simulations.

    Returns:
      Points `[L + 1]` (r + 1) / (L + 1), and the lower and upper bounds there of the
      share of ranks <= r.

    Raises:
      ValueError: For numbers out of range.
    """
    from scipy.stats import binom

    check_count("num_observations", num_observations)
    check_count("num_draws", num_draws)
    check_count("num_simulations", num_simulations, least=100)
    check_number("probability", probability, above=0.0, below=1.0)
    points = np.arange(1, num_draws + 2) / (num_draws + 1)
    rng = np.random.default_rng(seed)
    ranks = rng.integers(0, num_draws + 1, (num_simulations, num_observations))
    counts = [np.bincount(row, minlength=num_draws + 1).cumsum() for row in ranks]
    lower = binom.cdf(counts, num_observations, points)
    upper = binom.sf(np.asarray(counts) - 1, num_observations, points)
    least_likely = 2 * np.minimum(lower, upper)[:, :-1].min(axis=1, initial=1.0)
    level = np.quantile(least_likely, 1 - probability)
    low = binom.ppf(level / 2, num_observations, points) / num_observations
    high = binom.isf(level / 2, num_observations, points) / num_observations
    low[-1] = high[-1] = 1.0
    return points, low, high


def coverage(
    draws: Any, truths: Any, levels: Sequence[float] = (0.5, 0.8, 0.9, 0.95)
) -> np.ndarray:
    """How often central intervals of the draws hold the truth.

    Args:
      draws: `[observations, draws, parameters]`.
      truths: `[observations, parameters]`.
      levels: Shares of the draws that the intervals hold, between 0 and 1.

    Returns:
      Shares of the observations `[levels, parameters]`; right posteriors: the levels.

    Raises:
      ValueError: For arrays that do not fit each other, or levels out of range.
    """
    draws, truths = _checked(draws, truths)
    shares = np.array(
        [check_number("levels", level, above=0.0, below=1.0) for level in levels]
    )
    tails = np.stack([0.5 - shares / 2, 0.5 + shares / 2])
    low, high = np.quantile(draws, tails, axis=1)  # [levels, observations, parameters]
    return np.mean((low <= truths) & (truths <= high), axis=1)


class Recovery(NamedTuple):
    """How near posterior means come to the truth.

    Attributes:
      mean: Posterior means `[observations, parameters]`.
      deviation: Posterior standard deviations, of the same shape.
      correlation: Of means and truths, `[parameters]`.
      rmse: Root of the mean squared error, in units of the parameter, `[parameters]`.
      contraction: 1 - posterior variance / variance of the truths, `[parameters]`: 0 if
        the observations tell nothing, 1 if they tell all.
    """

    mean: np.ndarray
    deviation: np.ndarray
    correlation: np.ndarray
    rmse: np.ndarray
    contraction: np.ndarray


def recovery(draws: Any, truths: Any) -> Recovery:
    """Compares posterior means with the truths.

    Args:
      draws: `[observations, draws, parameters]`.
      truths: `[observations, parameters]`, which vary.

    Raises:
      ValueError: For arrays that do not fit each other, or truths that do not vary.
    """
    draws, truths = _checked(draws, truths)
    variance = truths.var(axis=0)
    if not np.all(variance > 0):
        raise ValueError(
            "expected truths that vary, of two or more observations, got equal ones of "
            f"parameters {', '.join(map(str, np.flatnonzero(variance <= 0)))}"
        )
    mean, deviation = draws.mean(axis=1), draws.std(axis=1)
    scale = np.sqrt(variance * mean.var(axis=0))
    products = np.mean((mean - mean.mean(axis=0)) * (truths - truths.mean(axis=0)), 0)
    return Recovery(
        mean,
        deviation,
        np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0),
        np.sqrt(np.mean((mean - truths) ** 2, axis=0)),
        1 - np.mean(deviation**2, axis=0) / variance,
    )


def c2st(
    x: Any, y: Any, *, folds: int = 5, seed: int = 0, classifier: Any = None
) -> float:
    """How well a classifier tells two samples apart: 0.5 not at all, 1 always.

    Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2016, arXiv
    1610.06545, section 3.

    Args:
      x: Rows `[N, D]` of one distribution.
      y: Rows `[M, D]` of the other; best as many.
      folds: Of the cross-validation.
      seed: Of the classifier's start, and of the folds.
      classifier: One of scikit-learn's; None: a network of two layers of 10 D units.

    Returns:
      The accuracy on rows that the classifier has not seen, each sample weighed alike.

    Raises:
      ValueError: For arrays that do not fit each other, or of too few rows.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = _rows("x", x), _rows("y", y)
    check_count("folds", folds, least=2)
    if x.shape[1] != y.shape[1] or min(len(x), len(y)) < folds:
        raise ValueError(
            f"expected x and y of as many columns, and of {folds} rows or more, got "
            f"shapes {x.shape} and {y.shape}"
        )
    if classifier is None:
        width = 10 * x.shape[1]
        classifier = MLPClassifier(
            (width, width), random_state=seed, max_iter=1000, early_stopping=True
        )
    rows, labels = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = cross_val_score(
        make_pipeline(StandardScaler(), classifier),
        rows,
        labels,
        cv=splits,
        scoring="balanced_accuracy",
    )
    return float(scores.mean())


def _checked(draws: Any, truths: Any) -> tuple[np.ndarray, np.ndarray]:
    draws, truths = np.asarray(draws), np.asarray(truths)
    fits = draws.ndim == 3 and truths.ndim == 2 and 0 not in draws.shape
    if not fits or (draws.shape[0], draws.shape[2]) != truths.shape:
        raise ValueError(
            "expected draws [observations, draws, parameters] and truths "
            f"[observations, parameters], got shapes {draws.shape} and {truths.shape}"
        )
    for name, value in (("draws", draws), ("truths", truths)):
        if value.dtype.kind not in "biuf" or not np.all(np.isfinite(value)):
            raise ValueError(f"expected finite numbers in {name}, got others")
    return draws, truths


def _rows(name: str, value: Any) -> np.ndarray:
    value = np.asarray(value)
    if (
        value.ndim != 2
        or value.dtype.kind not in "biuf"
        or not np.isfinite(value).all()
    ):
        raise ValueError(
            f"expected {name} as rows [N, D] of finite numbers, got shape {value.shape}"
        )
    return value
