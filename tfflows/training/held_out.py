"""Training with early stopping on held-out rows."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfflows.models import Flow

# Minimum steps per epoch: with few rows, one epoch makes several passes.
MIN_STEPS = 10
# Most rows for the initialisation from data, and rows per validation batch.
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
    """Fits a new flow until its loss on held-out rows stops improving.

    The flow is initialised from all rows and compiled. It ends with the weights that
    were best on the held-out rows. The learning rate falls by a factor of 0.3 after a
    third of `patience` epochs without improvement.

    Args:
      flow: The flow.
      x: All rows `[N, *event]`, at least 2.
      weight: Weights of the rows `[N]`, above 0.
      optimizer: A Keras optimizer whose learning rate is a number.
      max_epochs: Most epochs. With few rows, an epoch makes several passes.
      batch_size: Number of rows in a step.
      validation_fraction: Fraction of rows to hold out, at least one row.
      patience: Number of epochs without improvement before training stops.
      seed: Selects the held-out rows and the order of the others.
      verbose: As in `keras.Model.fit`.

    Returns:
      The mean negative log-likelihood of the held-out rows after each epoch, in nats.

    Raises:
      ValueError: If no epoch ends with a finite loss.
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
        shuffle=False,  # the batches are shuffled already
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
    """Returns rows `[n, *event]` for the initialisation from data, at most 10,000."""
    return x[np.random.default_rng(seed).permutation(len(x))[:_INITIAL_ROWS]]


def endless_batches(
    flow: Flow,
    x: np.ndarray,
    weight: np.ndarray,
    size: int,
    seed: int,
    noise: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Returns full batches of endless passes over the rows, each shuffled anew.

    Args:
      flow: The flow, whose dtype the batches get.
      x: Rows `[N, *event]`.
      weight: Their weights `[N]`.
      size: Rows in a batch.
      seed: Seed of the order and the noise.
      noise: None or `[*event]`, standard deviations of fresh normal noise.
      steps: None or `[*event]`, widths of fresh uniform noise around 0.
    """
    rows = _rows(flow, x, weight)
    indices = tf.data.Dataset.counter().flat_map(
        lambda epoch: _shuffled(len(x), seed, epoch)
    )
    batches = indices.batch(size, drop_remainder=True).map(
        lambda index: {name: tf.gather(part, index) for name, part in rows.items()}
    )
    widths = [np.zeros(x.shape[1:]) if w is None else w for w in (noise, steps)]
    if not np.any(widths):
        return batches
    deviation, width = (tf.constant(w, flow.bijector.dtype) for w in widths)

    def noisy(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        seeds = tf.stack([tf.constant(seed, tf.int64), step])
        x = batch["x"]
        if np.any(widths[0]):
            drawn = tf.random.stateless_normal(tf.shape(x), seeds, dtype=x.dtype)
            x += deviation * drawn
        if np.any(widths[1]):
            drawn = tf.random.stateless_uniform(tf.shape(x), seeds, dtype=x.dtype)
            x += width * (drawn - 0.5)
        return {**batch, "x": x}

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
    # `Dataset.shuffle` would also depend on TensorFlow's global seed.
    seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
    order = tf.random.experimental.stateless_shuffle(tf.range(size), seed=seeds)
    return tf.data.Dataset.from_tensor_slices(order)
