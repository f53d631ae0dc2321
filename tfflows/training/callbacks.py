"""Callbacks that Keras does not bring: the checkpoints of a training run."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

BEST = "best"
LAST = "last"


class CheckpointCallback(keras.callbacks.Callback):
    """Saves the training state after each epoch, and the best weights.

    `<directory>/last` holds model, optimizer, number of finished epochs and the best
    value so far, for the last `keep` epochs; `<directory>/best` holds the weights with
    the lowest monitored value, and the epoch and step that reached it. An epoch whose
    loss or monitored value is not finite is not saved.

    Args:
      model: The compiled model.
      directory: Where the checkpoints go.
      monitor: The logged value that decides on the best.
      keep: Number of last checkpoints to keep.
    """

    def __init__(
        self,
        model: keras.Model,
        directory: str | os.PathLike,
        monitor: str = "val_loss",
        keep: int = 2,
    ) -> None:
        super().__init__()
        self._monitor = monitor
        self._epoch = tf.Variable(0, dtype=tf.int64)
        self._best_value = tf.Variable(math.inf, dtype=tf.float64)
        optimizer = model.optimizer
        # Slots that do not exist yet would be restored at their first use, or never.
        optimizer.build(model.trainable_variables)
        last = tf.train.Checkpoint(
            model=model,
            optimizer=optimizer,
            epoch=self._epoch,
            best_value=self._best_value,
        )
        best = _weights_checkpoint(model, self._epoch, optimizer.iterations.value)
        directory = os.fspath(directory)
        self._last = tf.train.CheckpointManager(
            last, os.path.join(directory, LAST), max_to_keep=keep
        )
        self._best = tf.train.CheckpointManager(
            best, os.path.join(directory, BEST), max_to_keep=1
        )

    @property
    def finished_epochs(self) -> int:
        """Number of epochs behind the state of the model."""
        return int(self._epoch.numpy())

    def restore(self) -> int:
        """Restores model, optimizer and the rest from the last checkpoint, if any.

        Returns:
          The number of finished epochs; 0 without a checkpoint.

        Raises:
          ValueError: The checkpoint does not fit the model, or cannot be read.
        """
        if self._last.latest_checkpoint:
            _restore(self._last.checkpoint, self._last.latest_checkpoint)
        return self.finished_epochs

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Saves; called by Keras."""
        logs = logs or {}
        if self._monitor not in logs:
            raise ValueError(
                f"expected {self._monitor!r} among the logs to find the best epoch, "
                f"got {', '.join(logs)}; fit with validation_data"
            )
        value = float(logs[self._monitor])
        if not math.isfinite(value) or not math.isfinite(logs.get("loss", value)):
            return
        self._epoch.assign(epoch + 1)
        # The best first: a stop between the two saves repeats this epoch.
        if value < self._best_value.numpy():
            self._best_value.assign(value)
            self._best.save(checkpoint_number=epoch + 1)
        self._last.save(checkpoint_number=epoch + 1)


def restore_best(model: keras.Model, directory: str | os.PathLike) -> dict[str, int]:
    """Restores the best weights that a `CheckpointCallback` saved.

    Args:
      model: The built model.
      directory: The directory that the callback was given.

    Returns:
      {"epoch": finished epochs, "step": training steps} of these weights.

    Raises:
      ValueError: There is no checkpoint, it cannot be read or does not fit the model.
    """
    path = tf.train.latest_checkpoint(os.fspath(pathlib.Path(directory) / BEST))
    if path is None:
        raise ValueError(
            f"expected a checkpoint in {directory}, got none: the training has not "
            "finished an epoch"
        )
    epoch = tf.Variable(0, dtype=tf.int64)
    step = tf.Variable(0, dtype=tf.int64)
    _restore(_weights_checkpoint(model, epoch, step), path)
    return {"epoch": int(epoch.numpy()), "step": int(step.numpy())}


def _weights_checkpoint(
    model: keras.Model, epoch: tf.Variable, step: tf.Variable
) -> tf.train.Checkpoint:
    # Not `model=model`: a compiled model has its optimizer in the checkpoint, which
    # TensorFlow would restore into whatever optimizer the loaded model gets later.
    weights = [weight.value for weight in model.weights]
    return tf.train.Checkpoint(weights=weights, epoch=epoch, step=step)


def _restore(checkpoint: tf.train.Checkpoint, path: str) -> None:
    """Restores a checkpoint, which has to fill everything that `checkpoint` names."""
    try:
        status = checkpoint.restore(path)
        status.assert_existing_objects_matched()
    except (ValueError, AssertionError, tf.errors.OpError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"expected a readable checkpoint of this model in {path}: {reason}"
        ) from error
