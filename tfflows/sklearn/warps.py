"""Curves that bring the columns of a table near a normal, each by itself."""

from __future__ import annotations

import dataclasses
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


def fit_warp(x: np.ndarray, weight: np.ndarray) -> Warp:
    """The curves with which each column of rows is likeliest to be normal.

    Args:
      x: Rows `[N, D]` whose columns vary.
      weight: Their weights `[N]`, above 0.
    """
    step = -(-len(x) // _MOST_ROWS)
    fits = [_fit_column(column[::step], weight[::step]) for column in x.T]
    location, log_scale, skewness, log_tails = np.array(fits).T
    return Warp(location, np.exp(log_scale), skewness, np.exp(log_tails))


def _fit_column(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75])
    deviation = x.std()
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
