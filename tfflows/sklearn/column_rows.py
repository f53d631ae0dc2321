"""Mixtures fitted to rows of several kinds: categories, integers, real numbers."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.special

from tfflows.sklearn.expectation import (
    BLOCK,
    TOLERANCE,
    Mixture,
    features,
    log_sum,
    maximised,
    nearest,
)

# Least variance of an integer given the rest: almost all of it in one number.
_LEAST_VARIANCE = 0.01
_OF_ROWS = ("x", "y", "one_hot", "present")
_PRIOR_OF_CATEGORIES = 0.25
_LOGISTIC = math.sqrt(3.0) / math.pi  # scale of a logistic of variance 1


@dataclasses.dataclass(frozen=True)
class ColumnRows:
    """Rows, as mixtures are fitted to them.

    Attributes:
      x: Integers and numbers, of deviations about 1, integers first: `[N, C]`.
      y: The same with noise of one step on integers, as normals are fitted.
      one_hot: The categories of all categorical columns, `[N, F]`.
      widths: Numbers of categories, of sum F.
      steps: The distance of two integers in each integer column, `[I]`.
      present: 1 for cells that are there, 0 for missing ones, `[N, C]`.
      log_scales: What x is divided by, of real columns, in log: `[R]`.
    """

    x: np.ndarray
    y: np.ndarray
    one_hot: np.ndarray
    widths: tuple[int, ...]
    steps: np.ndarray
    present: np.ndarray
    log_scales: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Any) -> ColumnRows:
        taken = {name: getattr(self, name)[rows] for name in _OF_ROWS}
        return dataclasses.replace(self, **taken)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns, each of at least 1."""
        return len(self.x), max(self.x.shape[1] + len(self.widths), 1)


@dataclasses.dataclass(frozen=True)
class ColumnFit(Mixture):
    """A mixture over columns of several kinds: `distributions.ColumnMixture`.

    Attributes:
      categories: Log-probabilities `[K, F]` of all categories.
      noisy: The normals of integers with noise, from which a fit may go on.
    """

    categories: np.ndarray
    noisy: Mixture | None = None

    @classmethod
    def joined(cls, parts: Sequence[Any], shares: Sequence[np.ndarray]) -> ColumnFit:
        """The mixture of mixtures, whose components get these weights."""
        plain = Mixture.joined(parts, shares)
        categories = np.concatenate([part.categories for part in parts])
        return cls(plain.weights, plain.means, plain.factors, categories)

    def log_densities(self, x: Any) -> np.ndarray:
        """Log-densities `[N]` in nats of `ColumnRows`, in the units of the columns."""
        starts = range(0, len(x), BLOCK)
        return np.concatenate([self._of_block(x[i : i + BLOCK]) for i in starts])

    def _of_block(self, rows: ColumnRows) -> np.ndarray:
        number = len(rows.steps)
        present = rows.present[:, np.newaxis]
        deviation = (rows.x[:, np.newaxis] - self.means) * present
        z = np.einsum("nkd,ked->nke", deviation, self.factors)
        whitening = np.einsum("kdd->kd", self.factors)
        total = np.log(self.weights) + rows.one_hot @ self.categories.T
        own = z[..., number:]
        constant = np.log(whitening[:, number:]) - 0.5 * np.log(2.0 * np.pi)
        terms = (constant - 0.5 * own**2 - rows.log_scales) * present[..., number:]
        total += np.sum(terms, axis=-1)
        residual = z[..., :number] / whitening[:, :number] / rows.steps
        bins = _log_bins(residual, self.scales(rows.steps)) * present[..., :number]
        total += bins.sum(axis=-1)
        return scipy.special.logsumexp(total, axis=1)

    def scales(self, steps: np.ndarray) -> np.ndarray:
        """Scales `[K, I]` of the rounded logistics, in steps of the integers."""
        whitening = np.einsum("kdd->kd", self.factors)[:, : len(steps)]
        # The variance of rounding is in that of the integers.
        variance = 1.0 / (whitening * steps) ** 2 - 1.0 / 12.0
        return _LOGISTIC * np.sqrt(np.maximum(variance, _LEAST_VARIANCE))


def _log_bins(deviation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    above, below = (deviation + 0.5) / scale, (0.5 - deviation) / scale
    log_sigmoids = -np.logaddexp(0.0, -above) - np.logaddexp(0.0, -below)
    return log_sigmoids + np.log(-np.expm1(-1.0 / scale))


def fit_columns(
    x: ColumnRows,
    weight: np.ndarray,
    num_components: int,
    strength: float,
    *,
    seed: int,
    start: ColumnFit | None = None,
    max_steps: int = 100,
    deadline: float | None = None,
) -> ColumnFit:
    """Fits a mixture by EM, as `expectation.fit_mixture`.

    Integers count as normal, with noise, until the last step, which takes their own
    moments. Each component's categories have a prior around those of all rows, worth a
    quarter of `strength` and of a row more: it is what samples mix that rows never do.

    Args:
      x: Rows.
      weight: Their weights `[N]`, above 0.
      num_components: K.
      strength: Of the prior of covariances, in rows, >= 0.
      seed: Of the start.
      start: A mixture of K components to go on from; None: none.
      max_steps: Steps of EM at most.
      deadline: `time.monotonic()` at which it stops at the latest; None: never.
    """
    size = x.y.shape[1]
    centred = x.y - np.average(x.y, axis=0, weights=weight)
    total = (weight[:, None] * centred).T @ centred / weight.sum()
    prior = total / num_components ** (2.0 / max(size, 1))
    blocks, exact = features(x.y), features(x.x)

    def categories(shares: np.ndarray) -> np.ndarray:
        return _categories(x, shares, weight, _PRIOR_OF_CATEGORIES * (1.0 + strength))

    if start is None or start.noisy is None:
        near = np.concatenate([x.y, x.one_hot], axis=1)
        shares = nearest(near, weight, num_components, seed) * weight[:, None]
        mixture, log_p = maximised(blocks, shares, strength, prior), categories(shares)
    else:
        mixture, log_p = start.noisy, start.categories
    before = -np.inf
    for _ in range(max_steps):
        coefficients = mixture._coefficients()
        logits = np.concatenate([block @ coefficients for block in blocks])
        log_density = log_sum(logits := logits + x.one_hot @ log_p.T)
        shares = np.exp(logits - log_density) * weight[:, None]
        mixture, log_p = maximised(blocks, shares, strength, prior), categories(shares)
        mean = np.average(log_density[:, 0], weights=weight)
        late = deadline is not None and time.monotonic() > deadline
        if late or mean - before < TOLERANCE:
            break
        before = mean
    own = maximised(exact, shares, strength, prior)
    return ColumnFit(own.weights, own.means, own.factors, log_p, mixture)


def _categories(
    x: ColumnRows, shares: np.ndarray, weight: np.ndarray, strength: float
) -> np.ndarray:
    counts, everywhere = shares.T @ x.one_hot, weight @ x.one_hot
    parts, place = [np.zeros((len(counts), 0))], 0
    for width in x.widths:
        columns = slice(place, place + width)
        marginal = everywhere[columns] + 0.5
        own = counts[:, columns] + strength * marginal / marginal.sum()
        parts.append(np.log(own / own.sum(axis=1, keepdims=True)))
        place += width
    return np.concatenate(parts, axis=1)
