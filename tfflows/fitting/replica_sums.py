"""Computes sums and means over the examples of all replicas."""

from __future__ import annotations

import keras
import tensorflow as tf


def sum_over_replicas(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns sums over replicas, the same on all of them.

    Args:
      tensors: This replica's dense tensors.

    Returns:
      The sum of each; the tensors themselves if there is one replica.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return tensors
    # A value read from a variable may have no device, so it could not be summed.
    tensors = [tf.identity(tensor) for tensor in tensors]
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def global_mean(values: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Returns this replica's share of the weighted mean over the global batch.

    The optimizer sums gradients over replicas, so a share is sum(w v) / W; W is the sum
    of weights over all replicas. A replica without examples contributes 0.

    Args:
      values: This replica's values `[B]`.
      weight: None or `[B]`, >= 0.

    Returns:
      A scalar; on one replica, the mean.
    """
    if weight is None:
        weight = tf.ones_like(values)
    weight = tf.cast(weight, values.dtype)
    (total,) = sum_over_replicas([tf.reduce_sum(weight)])
    # An infinite value with weight 0 does not count.
    weighted_values = tf.math.multiply_no_nan(values, weight)
    return tf.math.divide_no_nan(tf.reduce_sum(weighted_values), total)


class RunningMean(keras.metrics.Mean):
    """A mean over the examples so far; without any, NaN instead of Keras' 0."""

    def result(self) -> tf.Tensor:
        """Returns the mean."""
        return tf.convert_to_tensor(self.total) / tf.convert_to_tensor(self.count)


def running_results(
    trackers: dict[str, keras.metrics.Metric],
) -> dict[str, tf.Tensor]:
    """Returns the results of metrics over all replicas.

    A metric's own result on a replica covers only that replica's share.

    Args:
      trackers: Metrics by name. Ones that are no means must be equal on all replicas.

    Returns:
      A result for each, in the form that `fit` expects.
    """
    results = {name: tracker.result() for name, tracker in trackers.items()}
    replica = tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:
        results |= _means(trackers)
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        # Keras 3's `fit` reduces the logs of all workers over axis 0.
        results = {name: tf.reshape(value, [1]) for name, value in results.items()}
    return results


def _means(trackers: dict[str, keras.metrics.Metric]) -> dict[str, tf.Tensor]:
    means = {
        name: tracker
        for name, tracker in trackers.items()
        if isinstance(tracker, keras.metrics.Mean)
    }
    totals, counts = sum_over_replicas(
        [
            tf.stack([tracker.total.value for tracker in means.values()]),
            tf.stack([tracker.count.value for tracker in means.values()]),
        ]
    )
    shares = tf.unstack(totals / counts)
    return dict(zip(means, shares, strict=True))
