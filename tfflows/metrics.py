"""Units of likelihoods, and whether posteriors are calibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats


def nll(log_prob: Any) -> tf.Tensor:
    """The mean negative log-likelihood, in the log-likelihoods' unit (nats)."""
    return -tf.reduce_mean(log_prob)


def bits_per_dim(log_prob: Any, event_shape: Sequence[int]) -> tf.Tensor:
    """-log_prob / (D ln 2), with no further constant.

    Args:
      log_prob: Log-densities in nats, any shape, of data in the units in which one
        level of integer data is one wide (y = x + u, u in [0, 1)).
      event_shape: Shape of one event; D is its number of elements.

    Returns:
      Bits per dimension, of the shape of `log_prob`.
    """
    log_prob = tf.convert_to_tensor(log_prob)
    return -log_prob / (math.prod(event_shape) * math.log(2.0))


def calibration_ranks(draws: Any, truth: Any) -> np.ndarray:
    """Ranks of true parameters among draws from their posteriors.

    With theta from the prior, an observation of it, and L draws from the posterior of
    that observation, the number of draws below theta is uniform on 0 .. L, coordinate
    by coordinate, if the posterior is the right one: simulation-based calibration.

    Source: Talts et al., "Validating Bayesian Inference Algorithms with
    Simulation-Based Calibration", 2018, arXiv 1804.06788, algorithm 1.

    Args:
      draws: `[N, L, D]`, L draws given each of N observations.
      truth: `[N, D]`, the parameters that the observations were made from.

    Returns:
      int64 `[N, D]`, from 0 to L.

    Raises:
      ValueError: For other shapes, or values that are not finite.
    """
    draws, truth = np.asarray(draws), np.asarray(truth)
    if draws.ndim != 3 or truth.shape != (draws.shape[0], draws.shape[2]):
        raise ValueError(
            "expected draws [N, L, D] and truth [N, D], got shapes "
            f"{draws.shape} and {truth.shape}"
        )
    if not (np.isfinite(draws).all() and np.isfinite(truth).all()):
        raise ValueError("expected finite draws and truth, got NaN or Inf")
    return np.sum(draws < truth[:, np.newaxis], axis=1)


def uniformity_p_values(ranks: Any, num_draws: int, num_bins: int = 20) -> np.ndarray:
    """P-values of a chi-square test of uniform ranks, one for each coordinate.

    Args:
      ranks: Integers `[N, D]` from 0 to num_draws.
      num_draws: L, the number of draws that gave the ranks.
      num_bins: Bins of equally many ranks, a divisor of L + 1; N / num_bins, the
        expected count, should be 5 or more.

    Returns:
      float64 `[D]`: how likely ranks at least as uneven are, if they are uniform.

    Raises:
      ValueError: For ranks out of range, or bins of unequal size.
    """
    ranks = np.asarray(ranks)
    if ranks.ndim != 2 or ranks.dtype.kind not in "iu" or not ranks.size:
        raise ValueError(
            f"expected integer ranks [N, D], got {ranks.dtype} of shape {ranks.shape}"
        )
    if ranks.min() < 0 or ranks.max() > num_draws:
        raise ValueError(
            f"expected ranks from 0 to {num_draws}, got {ranks.min()} to {ranks.max()}"
        )
    if num_bins < 2 or (num_draws + 1) % num_bins:
        raise ValueError(
            f"expected num_bins that divides the {num_draws + 1} possible ranks, got "
            f"{num_bins}"
        )
    bins = ranks * num_bins // (num_draws + 1)
    counts = [np.bincount(column, minlength=num_bins) for column in bins.T]
    return stats.chisquare(counts, axis=1).pvalue
