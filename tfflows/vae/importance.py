"""Importance weights, averaged in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def streamed_log_mean_exp(
    log_weights: Callable[[tf.Tensor], tf.Tensor],
    num_samples: int | tf.Tensor,
    chunk_size: int,
    batch_size: tf.Tensor,
    dtype: tf.DType,
) -> tf.Tensor:
    """Ln (1/S sum_s exp(log_weights(s))), S samples taken in chunks.

    Args:
      log_weights: Maps the numbers `[chunk_size]` of samples to `[B, chunk_size]`.
      num_samples: S; the numbers are 0 .. S - 1.
      chunk_size: Samples held at a time.
      batch_size: B.
      dtype: That of the weights.

    Returns:
      `[B]`.
    """
    num_samples = tf.convert_to_tensor(num_samples, tf.int32)

    def add_chunk(start: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        numbers = start + tf.range(chunk_size)
        weights = tf.where(numbers < num_samples, log_weights(numbers), -float("inf"))
        chunk = tf.reduce_logsumexp(weights, axis=-1)
        # The first chunk finds the empty sum, ln 0.
        return start + chunk_size, tf.reduce_logsumexp([total, chunk], axis=0)

    _, total = tf.while_loop(
        lambda start, _: start < num_samples,
        add_chunk,
        (0, tf.fill([batch_size], tf.constant(-float("inf"), dtype))),
        parallel_iterations=1,
    )
    return total - tf.math.log(tf.cast(num_samples, dtype))
