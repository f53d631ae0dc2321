"""Scores that one far row cannot spoil, and the weights of a stack of densities."""

from __future__ import annotations

import numpy as np
import scipy.special

_FAR = 0.05
_EM_STEPS = 300


def far_log_densities(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Log-densities `[N]` in nats of a product of Student t, 2 degrees of freedom.

    Args:
      x: Rows `[N, D]`.
      like: Rows whose means and deviations it has.
    """
    scale = _deviations(like)
    z = (x - like.mean(axis=0)) / scale
    return np.sum(-1.5 * np.log(2.0 + z**2) - np.log(scale), axis=1)


def robust_score(log_p: np.ndarray, log_q: np.ndarray, weight: np.ndarray) -> float:
    """The mean of log(.95 p + .05 q) in nats: q bounds what a far row can cost.

    Args:
      log_p: Log-densities `[N]` of the model.
      log_q: Those of a density with heavy tails.
      weight: Of the rows, `[N]`.
    """
    mixed = np.logaddexp(np.log1p(-_FAR) + log_p, np.log(_FAR) + log_q)
    return float(np.average(mixed, weights=weight))


def finite(log_p: np.ndarray) -> np.ndarray:
    """Log-densities with -inf for what is none: NaN and inf would win."""
    return np.where(np.isfinite(log_p), log_p, -np.inf)


def stack_weights(
    log_densities: np.ndarray, weight: np.ndarray, last_count: float = 1.0
) -> np.ndarray:
    """The weights `[K]` of densities with which rows that none has seen are likeliest.

    By EM, as Smyth and Wolpert, "Linearly Combining Density Estimators via Stacking",
    1999. Each density has a pseudo-count of a row: of few rows none gets all.

    Args:
      log_densities: `[N, K]`, finite or -inf.
      weight: Of the rows, `[N]`.
      last_count: The pseudo-count of the last density: one for far rows, of which
        there may be none.
    """
    number = log_densities.shape[1]
    pseudo_counts = np.ones(number)
    pseudo_counts[-1] = last_count
    log_weights = np.full(number, -np.log(number))
    scaled = weight * len(weight) / weight.sum()
    for _ in range(_EM_STEPS):
        joint = log_densities + log_weights
        total = scipy.special.logsumexp(joint, axis=1, keepdims=True)
        shares = np.exp(joint - np.where(np.isfinite(total), total, 0.0))
        counts = scaled @ shares + pseudo_counts
        log_weights = np.log(counts / counts.sum())
    return np.exp(log_weights)


def mixed(log_densities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Log-densities `[N]` of the mixture of densities `[N, K]`."""
    return scipy.special.logsumexp(log_densities, b=weights, axis=1)


def _deviations(x: np.ndarray) -> np.ndarray:
    deviation = x.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)
