"""Gaussian mixtures fitted by expectation maximisation, in NumPy, with row weights."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.cluster import kmeans_plusplus

# Least variance of a component in any direction, of rows with variance 1.
_LEAST_VARIANCE = 1e-6
# Rows of a component by which its prior of up to one row more falls to 1 / e.
_ROWS_HELD = 2.0
TOLERANCE = 1e-3
BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A mixture of normals with full covariances.

    Attributes:
      weights: `[K]`, of sum 1.
      means: `[K, D]`.
      factors: `[K, D, D]`, lower triangular A_k with covariances (A_k' A_k)^-1.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Any], shares: Sequence[np.ndarray]) -> Mixture:
        """The mixture of mixtures, whose components get these weights."""
        return Mixture(
            np.concatenate(shares),
            np.concatenate([part.means for part in parts]),
            np.concatenate([part.factors for part in parts]),
        )

    def log_densities(self, x: Any) -> np.ndarray:
        """Log-densities `[N]` in nats of rows `[N, D]`."""
        coefficients = self._coefficients()
        parts = [log_sum(block @ coefficients) for block in features(x)]
        return np.concatenate(parts)[:, 0]

    def _coefficients(self) -> np.ndarray:
        """`[F, K]`: `features(x) @` this is log w_k N(x; m_k, C_k)."""
        size = self.means.shape[1]
        precisions = np.einsum("ked,kef->kdf", self.factors, self.factors)
        linear = np.einsum("kdf,kf->kd", precisions, self.means)
        constant = (
            np.log(self.weights)
            + np.log(np.einsum("kdd->kd", self.factors)).sum(axis=1)
            - 0.5 * np.sum(linear * self.means, axis=1)
            - 0.5 * size * np.log(2.0 * np.pi)
        )
        rows, columns = np.tril_indices(size)
        twice = np.where(rows == columns, 0.5, 1.0)
        quadratic = -twice * precisions[:, rows, columns]
        return np.concatenate([constant[:, None], linear, quadratic], axis=1).T


def fit_mixture(
    x: np.ndarray,
    weight: np.ndarray,
    num_components: int,
    strength: float,
    *,
    seed: int,
    start: Mixture | None = None,
    max_steps: int = 100,
    deadline: float | None = None,
) -> Mixture:
    """Fits a mixture by EM to the mode of the posterior of its covariances.

    Each covariance has an inverse-Wishart prior around C / K^(2/D), C that of all rows,
    worth `strength` rows: what Fraley and Raftery, "Bayesian Regularization for Normal
    Mixture Estimation and Model-Based Clustering", 2007, propose, with free strength. A
    component of few rows has one of up to one row more, so that none can collapse on a
    single far row, whose density would then be the highest of all.

    Args:
      x: Rows `[N, D]`, of deviations about 1.
      weight: Their weights `[N]`, above 0.
      num_components: K.
      strength: Of the prior, >= 0.
      seed: Of the start, by k-means++.
      start: A mixture of K components to go on from; None: none.
      max_steps: Steps of EM at most; it stops where the density settles.
      deadline: `time.monotonic()` at which it stops at the latest; None: never.
    """
    centred = x - np.average(x, axis=0, weights=weight)
    total = (weight[:, None] * centred).T @ centred / weight.sum()
    prior = total / num_components ** (2.0 / x.shape[1])
    blocks = features(x)
    mixture, before = start, -np.inf
    if mixture is None:
        shares = nearest(x, weight, num_components, seed)
        mixture = maximised(blocks, shares * weight[:, None], strength, prior)
    for _ in range(max_steps):
        coefficients = mixture._coefficients()
        logits = np.concatenate([block @ coefficients for block in blocks])
        log_density = log_sum(logits)
        shares = np.exp(logits - log_density) * weight[:, None]
        mixture = maximised(blocks, shares, strength, prior)
        mean = np.average(log_density[:, 0], weights=weight)
        late = deadline is not None and time.monotonic() > deadline
        if late or mean - before < TOLERANCE:
            break
        before = mean
    return mixture


def features(x: np.ndarray) -> list[np.ndarray]:
    """1, x and the products of its elements, `[<= BLOCK, F]` each."""
    rows, columns = np.tril_indices(x.shape[1])
    parts = [x[i : i + BLOCK] for i in range(0, len(x), BLOCK)]
    return [
        np.concatenate([np.ones((len(p), 1)), p, p[:, rows] * p[:, columns]], axis=1)
        for p in parts
    ]


def nearest(x: np.ndarray, weight: np.ndarray, number: int, seed: int) -> np.ndarray:
    """One-hot rows `[N, K]`: the nearest of some rows that are far from each other."""
    if number == 1:
        return np.ones((len(x), 1))
    centres, _ = kmeans_plusplus(x, number, sample_weight=weight, random_state=seed)
    distances = np.sum(centres**2, axis=1) - 2.0 * x @ centres.T
    return np.eye(number)[np.argmin(distances, axis=1)]


def maximised(
    blocks: list[np.ndarray], shares: np.ndarray, strength: float, prior: np.ndarray
) -> Mixture:
    """The mixture of rows' shares `[N, K]`.

    Args:
      blocks: The `features` of rows.
      shares: Their weights in each component.
      strength: Of the prior, in rows.
      prior: The covariance `[D, D]` around which it is.
    """
    size = len(prior)
    ends = np.cumsum([0, *map(len, blocks)])
    sums = sum(
        shares[ends[i] : ends[i + 1]].T @ block for i, block in enumerate(blocks)
    )
    number = sums[:, 0] + 1e-10
    means = sums[:, 1 : size + 1] / number[:, None]
    second = np.empty((len(number), size, size))
    rows, columns = np.tril_indices(size)
    second[:, rows, columns] = second[:, columns, rows] = sums[:, size + 1 :]
    scatter = second - number[:, None, None] * means[:, :, None] * means[:, None]
    rows_of_prior = (strength + np.exp(-number / _ROWS_HELD))[:, None, None]
    covariances = (scatter + rows_of_prior * prior) / (
        number[:, None, None] + rows_of_prior
    )
    covariances += _LEAST_VARIANCE * np.eye(size)
    return Mixture(number / number.sum(), means, _whitening(covariances))


def log_sum(logits: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials over the last axis, which stays."""
    highest = logits.max(axis=1, keepdims=True)
    return highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))


def _whitening(covariances: np.ndarray) -> np.ndarray:
    """The lower triangular A `[K, D, D]` with A C A' = 1."""
    try:
        roots = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:  # rounding made one indefinite
        values, vectors = np.linalg.eigh(covariances)
        values = np.maximum(values, _LEAST_VARIANCE)
        covariances = np.einsum("kde,ke,kfe->kdf", vectors, values, vectors)
        roots = np.linalg.cholesky(covariances)
    return np.tril(np.linalg.inv(roots))
