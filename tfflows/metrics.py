"""Units of likelihoods, and checks that posteriors are calibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats


def nll(log_prob: Any) -> tf.Tensor:
    """Returns the mean negative log-likelihood, in the input's unit (nats)."""
    return -tf.reduce_mean(log_prob)


def bits_per_dim(log_prob: Any, event_shape: Sequence[int]) -> tf.Tensor:
    """Returns -log_prob / (D ln 2), with no further constant.

    Args:
      log_prob: Log-densities in nats, of any shape. The data must be in units in which
        a level of integer data is one wide (y = x + u, u in [0, 1)).
      event_shape: Shape of one event; D is its number of elements.

    Returns:
      Bits per dimension, with the shape of `log_prob`.
    """
    log_prob = tf.convert_to_tensor(log_prob)
    return -log_prob / (math.prod(event_shape) * math.log(2.0))


def calibration_ranks(draws: Any, truth: Any) -> np.ndarray:
    """Returns the ranks of true parameters among draws from their posteriors.

    Draw theta from the prior, simulate an observation, and draw L times from its
    posterior. If the posterior is right, the number of draws below theta is uniform on
    0 .. L in each coordinate (simulation-based calibration).

    Source: Talts et al., "Validating Bayesian Inference Algorithms with
    Simulation-Based Calibration", 2018, arXiv 1804.06788, algorithm 1.

    Args:
      draws: `[N, L, D]`, L draws for each of N observations.
      truth: `[N, D]`, the parameters that the observations were simulated from.

    Returns:
      int64 `[N, D]`, from 0 to L.

    Raises:
      ValueError: If shapes do not fit or values are not finite.
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
    """Returns p-values of a chi-square test of uniform ranks, one per coordinate.

    Args:
      ranks: Integers `[N, D]` from 0 to num_draws.
      num_draws: L, the number of draws that gave the ranks.
      num_bins: Number of bins, a divisor of L + 1. The expected count N / num_bins
        should be at least 5.

    Returns:
      float64 `[D]`: probabilities of ranks at least this uneven if they are uniform.

    Raises:
      ValueError: If ranks are out of range or bins have unequal sizes.
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
