"""Trains for a fixed number of steps and keeps the best weights."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfflows.models import Flow
from tfflows.training.averaging import WeightAverage
from tfflows.training.held_out import MIN_STEPS, endless_batches, initial_rows
from tfflows.training.schedules import learning_rate_schedule
from tfflows.training.weight_decay import decay_matrices_only

_WARMUP_STEPS = 100
# Of the average over steps; of a short training a share of its steps.
_MOMENTUM, _STEPS_AVERAGED = 0.998, 0.1
# XLA compiles for as long as so many steps of a small flow take without it.
_STEPS_WORTH_COMPILING = 400
_SCORED_ROWS = 4096


@dataclasses.dataclass(frozen=True)
class Budget:
    """The settings of a training by `fit_for_steps`.

    Attributes:
      steps: Steps of the optimizer.
      learning_rate: The highest rate, after a rise; a cosine then falls to 0.
      batch_size: Rows in a step.
      weight_decay: Decoupled weight decay of matrices; 0: none.
      noise: Deviation of the noise on training rows, in deviations of the columns.
      patience: Rounds without improvement until the training stops.
      least_round: Minimum steps of a round; a pass over the rows may take more.
      deadline: Value of `time.monotonic()` at which it stops; None: never.
    """

    steps: int
    learning_rate: float
    batch_size: int = 256
    weight_decay: float = 0.0
    noise: float = 0.0
    patience: int = 12
    least_round: int = MIN_STEPS
    deadline: float | None = None


@dataclasses.dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
      scores: Score of the held-out rows for each round; the flow has the highest.
      log_densities: Log-densities `[M]` of held-out rows with the kept weights.
      cut: Whether the deadline ended it.
    """

    scores: list[float]
    log_densities: np.ndarray
    cut: bool

    @property
    def score(self) -> float:
        """The highest finite score."""
        return float(np.nanmax(self.scores))


def fit_for_steps(
    flow: Flow,
    x: np.ndarray,
    weight: np.ndarray,
    held_out: np.ndarray,
    score: Callable[[np.ndarray], float],
    budget: Budget,
    *,
    seed: int,
    verbose: int = 0,
    steps: np.ndarray | None = None,
) -> Trained:
    """Fits a new flow for a set number of steps, and keeps the best averaged weights.

    A fixed number of steps with a cosine and an average of the weights (`use_ema`) beat
    plateaus and early stops on every table that was tried. The flow is initialised from
    the rows, compiled, and ends with the average that scored best, at the end of one of
    the rounds: each is a pass over the rows, or several of few.

    Args:
      flow: The flow.
      x: Training rows `[N, *event]`.
      weight: Their weights `[N]`, above 0.
      held_out: Other rows `[M, *event]`.
      score: Maps their log-densities `[M]` to the score to maximise.
      budget: The settings.
      seed: Seed of the order of the rows and the noise.
      verbose: As in `keras.Model.fit`.
      steps: The steps `[*event]` to which training rows are rounded, 0 where they are
        not: fresh uniform noise of a step's width undoes it. None: none.

    Returns:
      The scores.

    Raises:
      ValueError: If no round ends with a finite score.
    """
    dtype = flow.bijector.dtype
    flow.initialize(tf.constant(initial_rows(x, seed), dtype))
    batch_size = min(budget.batch_size, len(x))
    round_steps = max(MIN_STEPS, budget.least_round, len(x) // batch_size)
    round_steps = min(round_steps, budget.steps)
    flow.compile(
        _optimizer(flow, budget),
        jit_compile=flow.supports_jit and budget.steps >= _STEPS_WORTH_COMPILING,
        steps_per_execution=round_steps,
    )
    keeper = _KeepsBest(flow, held_out, score, budget)
    noise = budget.noise * x.std(axis=0)
    flow.fit(
        endless_batches(flow, x, weight, batch_size, seed, noise, steps),
        steps_per_epoch=round_steps,
        epochs=max(1, round(budget.steps / round_steps)),
        shuffle=False,  # the batches already have another order at each pass
        verbose=verbose,
        callbacks=[keeper],
    )
    keeper.restore()
    # Nothing of the training stays, above all no XLA in what predicts.
    flow.compile(keras.optimizers.Adam())
    return Trained(keeper.scores, keeper.log_densities, keeper.cut)


class _KeepsBest(keras.callbacks.Callback):
    """Scores the averaged weights after each round, and keeps the best ones."""

    def __init__(
        self,
        flow: Flow,
        held_out: np.ndarray,
        score: Callable[[np.ndarray], float],
        budget: Budget,
    ) -> None:
        super().__init__()
        self._flow, self._score, self._budget = flow, score, budget
        starts, dtype = range(0, len(held_out), _SCORED_ROWS), flow.bijector.dtype
        self._rows = [
            tf.constant(held_out[i : i + _SCORED_ROWS], dtype) for i in starts
        ]
        self._call = tf.function(flow, reduce_retracing=True, autograph=False)
        self._average = WeightAverage(flow)
        self._best: list[np.ndarray] | None = None
        self.log_densities = np.empty(0)
        self.scores: list[float] = []
        self.cut = False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Called by Keras."""
        with self._average.swapped_in():
            parts = [self._call(rows).numpy() for rows in self._rows]
            log_densities = np.concatenate(parts).astype("float64")
            value = self._score(log_densities)
            if np.isfinite(value) and not value <= max(self.scores, default=-np.inf):
                self._best, self.log_densities = self._flow.get_weights(), log_densities
        self.scores.append(value if np.isfinite(value) else -np.inf)
        if logs is not None:
            logs["held_out_score"] = value
        deadline = self._budget.deadline
        self.cut = deadline is not None and time.monotonic() > deadline
        waited = len(self.scores) - 1 - int(np.argmax(self.scores))
        if self.cut or waited >= self._budget.patience:
            self._flow.stop_training = True

    def restore(self) -> None:
        """Gives the flow the best weights.

        Raises:
          ValueError: If no score was finite.
        """
        if self._best is None:
            raise ValueError(
                f"expected finite densities of the rows held out, got none in "
                f"{len(self.scores)} rounds; lower the learning rate, or look for rows "
                "far from all others"
            )
        self._flow.set_weights(self._best)


def _optimizer(flow: Flow, budget: Budget) -> keras.optimizers.Optimizer:
    steps = max(budget.steps, 1)
    warmup = min(_WARMUP_STEPS, steps // 10)
    rate = learning_rate_schedule(budget.learning_rate, steps, warmup_steps=warmup)
    optimizer = keras.optimizers.Adam(
        rate,
        weight_decay=budget.weight_decay or None,
        use_ema=True,
        ema_momentum=min(_MOMENTUM, 1.0 - 1.0 / (1.0 + _STEPS_AVERAGED * steps)),
    )
    decay_matrices_only(optimizer, flow.trainable_weights)
    return optimizer
