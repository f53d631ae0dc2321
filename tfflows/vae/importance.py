"""Averages importance weights in chunks that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfflows.backend import random

# Samples in memory at a time, over all rows of a batch; fits for images.
_ROWS = 5000


def importance_bound(
    log_weights: Callable[..., tf.Tensor],
    rows: Sequence[tf.Tensor],
    seeds: tf.Tensor,
    num_samples: int,
    chunk_size: int | None = None,
) -> tf.Tensor:
    """Returns ln (1/S sum_s exp(log_weights(...))) `[B]`, with S samples per row.

    Args:
      log_weights: Maps seeds `[N, 2]`, and each of the rows repeated to `[N, ...]`, to
        log-weights `[N]`.
      rows: Tensors `[B, ...]`; the first has the weights' dtype.
      seeds: int32 `[B, 2]`.
      num_samples: S, the number of samples.
      chunk_size: Samples of a row in memory at a time; None: 5,000 for all rows.
    """
    batch_size = tf.shape(seeds)[0]
    if chunk_size is None:
        chunk_size = tf.maximum(_ROWS // tf.maximum(batch_size, 1), 1)
    chunk_size = tf.minimum(chunk_size, num_samples)

    def of_samples(numbers: tf.Tensor) -> tf.Tensor:
        repeated = [tf.repeat(each, chunk_size, axis=0) for each in (seeds, *rows)]
        own_seeds = random.fold_in(repeated[0], tf.tile(numbers, [batch_size]))
        weights = log_weights(own_seeds, *repeated[1:])
        return tf.reshape(weights, [batch_size, chunk_size])

    return streamed_log_mean_exp(
        of_samples, num_samples, chunk_size, batch_size, rows[0].dtype
    )


def streamed_log_mean_exp(
    log_weights: Callable[[tf.Tensor], tf.Tensor],
    num_samples: int | tf.Tensor,
    chunk_size: int,
    batch_size: tf.Tensor,
    dtype: tf.DType,
) -> tf.Tensor:
    """Returns ln (1/S sum_s exp(log_weights(s))), computed in chunks of samples.

    Args:
      log_weights: Maps the numbers `[chunk_size]` of samples to `[B, chunk_size]`.
      num_samples: S; samples have the numbers 0 .. S - 1.
      chunk_size: Samples in memory at a time.
      batch_size: B.
      dtype: Dtype of the weights.

    Returns:
      `[B]`.
    """
    num_samples = tf.convert_to_tensor(num_samples, tf.int32)

    def add_chunk(start: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        numbers = start + tf.range(chunk_size)
        weights = tf.where(numbers < num_samples, log_weights(numbers), -float("inf"))
        chunk = tf.reduce_logsumexp(weights, axis=-1)
        # Before the first chunk the sum is empty: ln 0.
        return start + chunk_size, tf.reduce_logsumexp([total, chunk], axis=0)

    _, total = tf.while_loop(
        lambda start, _: start < num_samples,
        add_chunk,
        (0, tf.fill([batch_size], tf.constant(-float("inf"), dtype))),
        parallel_iterations=1,
    )
    return total - tf.math.log(tf.cast(num_samples, dtype))
