"""Curves that bring the columns of a table near a normal, each by itself."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import scipy.optimize

from tfflows.models import Flow
from tfflows.models.warped import set_warp

# Rows that are enough to fit four numbers to a column.
_MOST_ROWS = 5000
_MOST_SKEWNESS = 3.0
# Tails at most as light as a normal's: a far row stays finite.
_TAILS = (0.1, 1.0)
_QUARTILES = 1.35  # the distance of a normal's, in deviations
# Rows that spread less than this share of their column say nothing of its shape.
_LEAST_SPREAD = 1e-3


@dataclasses.dataclass(frozen=True)
class Warp:
    """Takes rows x to z = sinh(t asinh((x - m) / s) - e), column by column.

    Source: Jones and Pewsey, "Sinh-arcsinh distributions", 2009, Biometrika 96.

    Attributes:
      location: m `[D]`.
      scale: s `[D]`, above 0.
      skewness: e `[D]`.
      tails: t `[D]`: the less, the heavier are the tails of x.
    """

    location: np.ndarray
    scale: np.ndarray
    skewness: np.ndarray
    tails: np.ndarray

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns z `[N, D]` and the log-determinant `[N]` of rows `[N, D]`."""
        z, log_slopes = _warped(x, self.location, self.scale, self.skewness, self.tails)
        return z, log_slopes.sum(axis=1)

    def of_raw(self, shift: np.ndarray, scale: np.ndarray) -> Warp:
        """The same of raw rows, for a warp of (raw - shift) / scale."""
        location = shift + scale * self.location
        return dataclasses.replace(self, location=location, scale=scale * self.scale)

    def set_in(self, flow: Any) -> None:
        """Gives the curves to a built `warped_flow` over rows x, or to such a chain."""
        # TFP's curve has a factor with which it is the identity at 2.
        factor = 2.0 / np.sinh(np.arcsinh(2.0) / self.tails)
        chain = flow.bijector if isinstance(flow, Flow) else flow
        scale = self.scale / factor
        set_warp(chain.steps, self.location, scale, self.skewness, 1.0 / self.tails)


def fit_warp(
    x: np.ndarray,
    weight: np.ndarray,
    kept: np.ndarray | None = None,
    deadline: float | None = None,
) -> Warp:
    """The curves with which each column of rows is likeliest to be normal.

    Args:
      x: Rows `[N, D]` whose columns vary.
      weight: Their weights `[N]`, above 0.
      kept: Which rows the curves may follow, `[N]`; None: all.
      deadline: `time.monotonic()` from which on columns stay straight; None: never.
    """
    rows = np.arange(len(x)) if kept is None else np.flatnonzero(kept)
    if len(rows) > _MOST_ROWS:  # at random: tables are sorted, or have periods
        rows = np.random.default_rng(0).choice(rows, _MOST_ROWS, replace=False)
    _, deviations = moments(x, weight)
    fits = []
    for column, deviation in zip(x[rows].T, deviations, strict=True):
        mean, spread = moments(column, weight[rows])
        late = deadline is not None and time.monotonic() > deadline
        if late or spread < _LEAST_SPREAD * deviation:
            fits.append(np.array([mean, np.log(deviation), 0.0, 0.0]))
        else:
            fits.append(_fit_column(column, weight[rows], deviation))
    location, log_scale, skewness, log_tails = np.array(fits).T
    return Warp(location, np.exp(log_scale), skewness, np.exp(log_tails))


def moments(x: np.ndarray, weight: np.ndarray) -> tuple[Any, Any]:
    """Mean and deviation of rows `[N, ...]` of weights `[N]`."""
    mean = np.average(x, axis=0, weights=weight)
    return mean, np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))


def _quartiles(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    order = np.argsort(x)
    below = np.cumsum(weight[order]) - 0.5 * weight[order]
    return np.interp([0.25, 0.5, 0.75], below / weight.sum(), x[order])


def _fit_column(x: np.ndarray, weight: np.ndarray, deviation: float) -> np.ndarray:
    low, median, high = _quartiles(x, weight)
    start = max((high - low) / _QUARTILES, 0.1 * deviation)

    def loss(parameters: np.ndarray) -> float:
        location, log_scale, skewness, log_tails = parameters
        z, log_slopes = _warped(
            x, location, np.exp(log_scale), skewness, np.exp(log_tails)
        )
        mean = np.average(0.5 * z**2 - log_slopes, weights=weight)
        # Of one row's worth a prior: few rows give no curve.
        return float(mean + (skewness**2 + log_tails**2) / len(x))

    result = scipy.optimize.minimize(
        loss,
        [median, np.log(start), 0.0, 0.0],
        method="L-BFGS-B",
        bounds=[
            (x.min(), x.max()),
            # Not narrower than that: an atom would take all.
            (np.log(1e-3 * deviation), np.log(1e2 * deviation)),
            (-_MOST_SKEWNESS, _MOST_SKEWNESS),
            tuple(np.log(_TAILS)),
        ],
    )
    return result.x


def _warped(
    x: np.ndarray, location: Any, scale: Any, skewness: Any, tails: Any
) -> tuple[np.ndarray, np.ndarray]:
    u = (x - location) / scale
    v = tails * np.arcsinh(u) - skewness
    log_slopes = np.log(tails / scale) + np.log(np.cosh(v)) - 0.5 * np.log1p(u**2)
    return np.sinh(v), log_slopes
