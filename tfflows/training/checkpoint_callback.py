"""Writes and restores the checkpoints of a training run."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfflows.fitting.older_keras import COUNTS_FROM_FIRST_BATCH
from tfflows.system.termination import Termination
from tfflows.training.averaging import WeightAverage
from tfflows.training.checkpoints import CheckpointFolder
from tfflows.training.strategies import (
    is_chief,
    is_multi_worker,
    mean_over_workers,
)

BEST = "best"
LAST = "last"


class CheckpointCallback(keras.callbacks.Callback):
    """Saves the state of training, also within an epoch, and the best weights.

    `<directory>/last` holds everything that is needed to resume exactly: weights,
    optimizer, numbers of steps and epochs, running means of the epoch, and the best
    value so far. `<directory>/best` holds the weights with the lowest monitored value,
    and their epoch and step. With an optimizer that has `use_ema`, validation uses the
    averaged weights, and these are saved as the best.

    Epochs whose loss or monitored value is not finite, and skipped steps, are not
    saved. With several workers, only the chief writes.

    Args:
      model: The compiled model, created in the scope of its strategy.
      directory: Folder for the checkpoints.
      monitor: The logged value that selects the best weights.
      keep: Number of checkpoints to keep in `last`.
      every_steps: Number of steps between checkpoints within an epoch; None: save only
        at the ends of epochs.
      patience: Number of epochs without a lower monitored value after which training
        stops; None: it does not. The count is part of the state, and so survives a
        resume.
      termination: Catches SIGTERM. The state is then saved after the running batch. If
        one of several workers passes it, all must. Workers that catch the signal after
        an epoch's last batch stop at its end, because they do not save running means.
    """

    def __init__(
        self,
        model: keras.Model,
        directory: str | os.PathLike,
        monitor: str = "val_loss",
        keep: int = 2,
        every_steps: int | None = None,
        termination: Termination | None = None,
        patience: int | None = None,
    ) -> None:
        super().__init__()
        self._monitor, self._every_steps = monitor, every_steps
        self._patience = patience
        self._termination = termination
        self._trained, self._epoch_now, self._evaluating = model, 0, False
        # Creates the optimizer's slots: missing ones would be restored late, or never.
        strategy = model.distribute_strategy
        with strategy.scope():
            model.optimizer.build(model.trainable_variables)
        self._writes, self._shared = is_chief(strategy), is_multi_worker(strategy)
        self._mean = mean_over_workers(strategy) if self._shared else float
        self._average = WeightAverage(model)
        self._epoch = tf.Variable(0, dtype=tf.int64)
        self._step = tf.Variable(0, dtype=tf.int64)
        self._best_value = tf.Variable(math.inf, dtype=tf.float64)
        self._waited = tf.Variable(0, dtype=tf.int64)
        self._means = [
            tf.Variable(tf.zeros(variable.shape, variable.dtype))
            for variable in self._metric_variables()
        ]
        directory = pathlib.Path(directory)
        self._last = CheckpointFolder(self._state(), directory / LAST, keep)
        best = _weights_state(model, self._epoch, self._step)
        self._best = CheckpointFolder(best, directory / BEST, keep=1)

    def _state(self) -> dict[str, Any]:
        model = self._trained
        skipped = getattr(model, "skipped_steps", None)
        # Runs of version 0.1.0, which had no patience, do not have it.
        waited = {} if self._patience is None else {"waited": self._waited}
        return {
            **waited,
            **_weights_state(model, self._epoch, self._step),
            "optimizer": [variable.value for variable in model.optimizer.variables],
            "best_value": self._best_value,
            "means": self._means,
            "skipped": [] if skipped is None else [skipped.total, skipped.in_a_row],
        }

    @property
    def most_steps_at_once(self) -> int | None:
        """Most steps that may pass before Keras calls this; None: no limit."""
        return self._every_steps and max(1, self._every_steps // 16)

    @property
    def finished_epochs(self) -> int:
        """Number of epochs that the model was trained for."""
        return int(self._epoch.numpy())

    @property
    def is_patience_over(self) -> bool:
        """Whether as many epochs as `patience` were no better than one before."""
        return self._patience is not None and self._waited.numpy() >= self._patience

    @property
    def steps(self) -> int:
        """Number of batches that the model was trained on."""
        return int(self._step.numpy())

    def restore(self) -> int:
        """Restores the newest readable checkpoint, if there is one.

        Returns:
          The number of finished epochs; 0 without a checkpoint.

        Raises:
          ValueError: The checkpoints do not fit the model, or cannot be read.
        """
        if self._writes:
            self._last.remove_unfinished()
            self._best.remove_unfinished()
        self._last.restore()
        return self.finished_epochs

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Restores the running means of an interrupted epoch; called by Keras."""
        self._epoch_now = epoch
        if self.steps > epoch * (self.params.get("steps") or math.inf):
            variables = self._metric_variables()
            for mean, variable in zip(self._means, variables, strict=False):
                variable.assign(mean)

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Counts steps, and saves when a checkpoint is due; called by Keras."""
        steps = self.params.get("steps")
        if not steps:
            return
        # One execution of several steps can count past the epoch's end.
        if COUNTS_FROM_FIRST_BATCH:
            batch += self.model.steps_per_execution - 1
        before, step = self.steps, self._epoch_now * steps + min(batch + 1, steps)
        if step <= before:  # done before this process began
            return
        self._step.assign(step)
        if not (self._shared and batch + 1 >= steps):
            self._stop_if_asked()
        every = self._every_steps
        due = every and step // every > before // every
        if due and batch + 1 < steps and not self._left_out():
            self._save_last()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Swaps in the averaged weights for validation; called by Keras."""
        self._keep_means()
        self._evaluating = True
        self._average.swap_in()

    def on_test_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Stops if a signal asked for it; called by Keras."""
        if not self._shared:
            self._stop_if_asked()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Swaps the trained weights back in; called by Keras."""
        self._average.swap_out()
        self._evaluating = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Saves the epoch, and its weights if they are the best; called by Keras."""
        logs = logs or {}
        if self._monitor not in logs:
            raise ValueError(
                f"expected {self._monitor!r} among the logs to find the best epoch, "
                f"got {', '.join(logs)}; fit with validation_data"
            )
        value = float(logs[self._monitor])
        finite = math.isfinite(value) and math.isfinite(logs.get("loss", value))
        if not finite or self._left_out():
            return
        self._epoch.assign(epoch + 1)
        updates = int(self._trained.optimizer.iterations.numpy())
        self._step.assign(max(self.steps, updates))
        self._waited.assign_add(1)
        # Save the best first: if the process stops in between, the epoch is repeated.
        if value < self._best_value.numpy():
            self._waited.assign(0)
            self._best_value.assign(value)
            if self._writes:
                with self._average.swapped_in():
                    self._best.save(self.steps)
        self._save_last()
        if self.is_patience_over:
            self._trained.stop_training = True
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._termination is None:
            return
        # All workers must stop after the same step, or some would wait for ever.
        if self._mean(self._termination.requested) > 0:
            self._average.swap_out()
            self._save_last()
            self._termination.stop(
                f"step {self.steps} is saved in {self._last.directory}; the same "
                "command goes on from there"
            )

    def _save_last(self) -> None:
        if self._writes:
            self._keep_means()
            self._last.save(self.steps)

    def _left_out(self) -> bool:
        skipped = getattr(self._trained, "skipped_steps", None)
        return skipped is not None and int(skipped.in_a_row.numpy()) > 0

    def _metric_variables(self) -> list[keras.Variable]:
        return [v for metric in self._trained.metrics for v in metric.variables]

    def _keep_means(self) -> None:
        # Validation uses the same variables. With several workers, no worker can read
        # them alone: a resumed epoch then averages only its remaining steps.
        if self._evaluating or self._shared:
            return
        for mean, variable in zip(self._means, self._metric_variables(), strict=False):
            mean.assign(tf.convert_to_tensor(variable.value))


def restore_best(model: keras.Model, directory: str | os.PathLike) -> dict[str, int]:
    """Restores the best weights saved by a `CheckpointCallback`.

    Args:
      model: The built model.
      directory: The callback's directory.

    Returns:
      {"epoch": finished epochs, "step": training steps} of these weights.

    Raises:
      ValueError: There is no checkpoint, it cannot be read or does not fit the model.
    """
    epoch = tf.Variable(0, dtype=tf.int64)
    step = tf.Variable(0, dtype=tf.int64)
    state = _weights_state(model, epoch, step)
    folder = pathlib.Path(directory) / BEST
    if not CheckpointFolder(state, folder, keep=1).restore():
        raise ValueError(
            f"expected a checkpoint in {directory}, got none: the training has not "
            "finished an epoch"
        )
    return {"epoch": int(epoch.numpy()), "step": int(step.numpy())}


def _weights_state(
    model: keras.Model, epoch: tf.Variable, step: tf.Variable
) -> dict[str, Any]:
    # Not `model=model`: a compiled model has its optimizer in the checkpoint, which
    # TensorFlow would restore into whatever optimizer the loaded model gets later.
    weights = [weight.value for weight in model.weights]
    return {"weights": weights, "epoch": epoch, "step": step}
