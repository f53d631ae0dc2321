"""Finds data that a model cannot be trained on, by their row."""

from __future__ import annotations

import tensorflow as tf

from tfflows.backend import domains
from tfflows.backend.checks import require
from tfflows.fitting.batch import Batch


def first_row(bad: tf.Tensor, *tensors: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns the number of the first bad row, and that row of each tensor.

    It uses sums, because XLA drops a check, but not a slice for its message.

    Args:
      bad: Boolean `[B]`, True for bad rows. If there are none, the results are no rows.
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
    """Returns log-densities `[B]` after a check that they are not infinite.

    Use it for models whose density may be 0 somewhere. In other models, and for NaN,
    weights that diverge are as likely the cause, and `train_step` leaves the step out.
    XLA drops the check, and such steps are left out.

    Args:
      log_prob: Log-densities.
      batch: Their batch; rows with weight 0 do not count.
      name: Name of the model.

    Raises:
      ValueError: If one is infinite; in a graph InvalidArgumentError.
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
