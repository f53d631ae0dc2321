"""Sums and means over the examples of all replicas."""

from __future__ import annotations

import keras
import tensorflow as tf


def sum_over_replicas(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The sums over replicas, the same on all of them.

    Args:
      tensors: This replica's, dense.

    Returns:
      A tensor for each; those given where there is one replica.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return tensors
    # What is read of a variable may have no device, and could not be summed for it.
    tensors = [tf.identity(tensor) for tensor in tensors]
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def global_mean(values: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """This replica's share of the weighted mean over the global batch.

    The optimizer sums gradients over replicas, so a share is sum(w v) / W with W the
    weights of all replicas; a replica without examples contributes 0.

    Args:
      values: `[B]`, this replica's.
      weight: None or `[B]`, >= 0.

    Returns:
      A scalar; the mean itself on one replica.
    """
    if weight is None:
        weight = tf.ones_like(values)
    weight = tf.cast(weight, values.dtype)
    (total,) = sum_over_replicas([tf.reduce_sum(weight)])
    # Where the weight is 0 an infinite value counts for nothing.
    weighted_values = tf.math.multiply_no_nan(values, weight)
    return tf.math.divide_no_nan(tf.reduce_sum(weighted_values), total)


class RunningMean(keras.metrics.Mean):
    """A mean over the examples so far; NaN, not Keras' 0, where there is none."""

    def result(self) -> tf.Tensor:
        """The mean."""
        return tf.convert_to_tensor(self.total) / tf.convert_to_tensor(self.count)


def running_results(
    trackers: dict[str, keras.metrics.Metric],
) -> dict[str, tf.Tensor]:
    """What metrics say over all replicas; on replicas a metric's own is of its share.

    Args:
      trackers: Metrics by name; those that are no means are taken to be alike.

    Returns:
      A result for each, as `fit` wants it.
    """
    results = {name: tracker.result() for name, tracker in trackers.items()}
    replica = tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:
        results |= _means(trackers)
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        # Keras 3's fit reduces the logs of all workers over an axis 0.
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
