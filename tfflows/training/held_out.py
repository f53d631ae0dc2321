"""Training that stops where held-out rows do not get better."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfflows.models import Flow

# Few rows make short epochs: one has at least as many steps, in several passes.
MIN_STEPS = 10
# The start from data sees as many rows at most, and held-out rows go in such parts.
_INITIAL_ROWS = 10_000
_EVALUATED_ROWS = 4096


def fit_until_settled(
    flow: Flow,
    x: np.ndarray,
    weight: np.ndarray,
    *,
    optimizer: keras.optimizers.Optimizer,
    max_epochs: int,
    batch_size: int,
    validation_fraction: float,
    patience: int,
    seed: int,
    verbose: int = 0,
) -> list[float]:
    """Fits a new flow to a part of the rows until the others stop getting better.

    The flow is initialised from all rows, compiled, and ends with the weights that were
    best on the rows held out. The learning rate falls by a factor of 0.3 after a third
    of `patience` without improvement.

    Args:
      flow: The flow.
      x: All rows `[N, *event]`, 2 or more.
      weight: Their weights `[N]`, above 0.
      optimizer: With a learning rate that is a number.
      max_epochs: Passes over the training rows at most; of few rows, several make one.
      batch_size: Rows in a step.
      validation_fraction: Share of the rows that is held out, at least one row.
      patience: Epochs without improvement until the training stops.
      seed: Of the rows held out and the order of the others.
      verbose: As in `keras.Model.fit`.

    Returns:
      The mean negative log-likelihood of the rows held out, in nats, by epoch.

    Raises:
      ValueError: No epoch ended with a finite loss.
    """
    order = np.random.default_rng(seed).permutation(len(x))
    count = min(max(1, round(validation_fraction * len(x))), len(x) - 1)
    held_out, rows = order[:count], order[count:]
    flow.initialize(tf.constant(x[order[:_INITIAL_ROWS]], flow.bijector.dtype))
    flow.compile(optimizer)
    batch_size = min(batch_size, len(rows))
    losses = flow.fit(
        endless_batches(flow, x[rows], weight[rows], batch_size, seed),
        validation_data=_in_order(flow, x[held_out], weight[held_out], _EVALUATED_ROWS),
        steps_per_epoch=max(MIN_STEPS, len(rows) // batch_size),
        epochs=max_epochs,
        shuffle=False,  # the batches come in another order at each pass already
        verbose=verbose,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=-(-patience // 3)),
        ],
    ).history["val_loss"]
    if not np.any(np.isfinite(losses)):
        raise ValueError(
            f"expected finite losses, got {losses[-1]} in epoch {len(losses)}; lower "
            "the learning rate, or look for rows far from all others"
        )
    return losses


def initial_rows(x: np.ndarray, seed: int) -> np.ndarray:
    """The rows `[n, *event]` that a start from data sees: not too many of them."""
    return x[np.random.default_rng(seed).permutation(len(x))[:_INITIAL_ROWS]]


def endless_batches(
    flow: Flow,
    x: np.ndarray,
    weight: np.ndarray,
    size: int,
    seed: int,
    noise: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Full batches of endless passes over the rows, each pass in another order.

    Args:
      flow: Whose dtype they get.
      x: Rows `[N, *event]`.
      weight: Their weights `[N]`.
      size: Rows in a batch.
      seed: Of the order and the noise.
      noise: None or `[*event]`, the deviations of normal noise, drawn afresh.
    """
    rows = _rows(flow, x, weight)
    indices = tf.data.Dataset.counter().flat_map(
        lambda epoch: _shuffled(len(x), seed, epoch)
    )
    batches = indices.batch(size, drop_remainder=True).map(
        lambda index: {name: tf.gather(part, index) for name, part in rows.items()}
    )
    if noise is None or not np.any(noise):
        return batches
    deviation = tf.constant(noise, flow.bijector.dtype)

    def noisy(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        seeds = tf.stack([tf.constant(seed, tf.int64), step])
        x = batch["x"]
        drawn = tf.random.stateless_normal(tf.shape(x), seeds, dtype=x.dtype)
        return {**batch, "x": x + deviation * drawn}

    return tf.data.Dataset.zip(tf.data.Dataset.counter(), batches).map(noisy)


def _in_order(
    flow: Flow, x: np.ndarray, weight: np.ndarray, size: int
) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(_rows(flow, x, weight)).batch(size)


def _rows(flow: Flow, x: np.ndarray, weight: np.ndarray) -> dict[str, tf.Tensor]:
    # Keras would cast an array of float64 to float32, whatever the flow's dtype.
    dtype = flow.bijector.dtype
    return {"x": tf.constant(x, dtype), "sample_weight": tf.constant(weight, dtype)}


def _shuffled(size: int, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    # `Dataset.shuffle` depends on TensorFlow's global seed too.
    seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
    order = tf.random.experimental.stateless_shuffle(tf.range(size), seed=seeds)
    return tf.data.Dataset.from_tensor_slices(order)
