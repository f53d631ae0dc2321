"""Data that a model cannot be trained on, told by their row."""

from __future__ import annotations

import tensorflow as tf

from tfflows.backend import domains
from tfflows.backend.checks import require
from tfflows.fitting.batch import Batch


def first_row(bad: tf.Tensor, *tensors: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The number of the first bad row, and that row of each tensor.

    By sums: XLA drops a requirement, but not a slice from which its words are made.

    Args:
      bad: Which rows are, a boolean `[B]`; with none, all that is returned is no row.
      *tensors: `[B, ...]`.
    """
    rows = tf.range(tf.size(bad))
    first = tf.reduce_min(tf.where(bad, rows, tf.size(bad)))
    return first, [
        tf.reduce_sum(
            domains.select_rows(rows == first, tensor, tf.zeros_like(tensor)), axis=0
        )
        for tensor in tensors
    ]


def checked_density(log_prob: tf.Tensor, batch: Batch, name: str) -> tf.Tensor:
    """The log-densities `[B]`; with one that is infinite there is no training.

    For models whose density may be 0 in some place. Elsewhere one that overflows is as
    likely that of weights gone wild, of which `train_step` leaves the step out; so is
    NaN everywhere. XLA drops the check, and such steps are left out.

    Args:
      log_prob: Log-densities.
      batch: What they belong to; rows of weight 0 do not count.
      name: Name of the model.

    Raises:
      ValueError: For an infinite one; in a graph InvalidArgumentError.
    """
    impossible = tf.math.is_inf(log_prob)
    if batch.sample_weight is not None:
        impossible &= batch.sample_weight > 0
    number, (values, *_) = first_row(impossible, batch.x)
    whole = "batch"
    if batch.index is not None:
        number, whole = first_row(impossible, batch.index)[1][0], "data"
    message = (
        f"{name}: expected data of positive and finite density to train on, got an "
        "infinite log-density, of data outside of a step's range or of the base's "
        "support, or on the border, or of weights gone wild:"
    )
    details = ("row", number, f"of the {whole}, of values", values)
    with require(~tf.reduce_any(impossible), message, *details):
        return tf.identity(log_prob)
