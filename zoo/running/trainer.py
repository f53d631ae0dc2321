"""Trains an experiment: from a configuration to a folder with checkpoints."""

from __future__ import annotations

import contextlib
import os
import sys

import keras
import tensorflow as tf

import tfflows.data
from tfflows.backend.initializer_seeds import seeded_initializers
from tfflows.fitting.skipped_steps import SkippedTooManyError
from tfflows.system import files
from tfflows.training import (
    CheckpointCallback,
    ProgressLines,
    StopWhereDiverged,
    Termination,
    is_chief,
    is_multi_worker,
    naming_not_finite,
    require_same_on_all_workers,
    skip_batches,
)
from tfflows.zoo.config import ExperimentConfig, TrainerConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import override
from tfflows.zoo.running import automatic, run_dir
from tfflows.zoo.running.optimizer import make_optimizer
from tfflows.zoo.running.reports import make_reports
from tfflows.zoo.running.sources import initial_batch, load_source, resolve_shape


def train(
    config: ExperimentConfig,
    model_dir: str | os.PathLike,
    strategy: tf.distribute.Strategy | None = None,
    *,
    termination: Termination | None = None,
    debug_nonfinite: bool = False,
    source: tfflows.data.DataSource | None = None,
) -> keras.Model:
    """Trains a model, or resumes an interrupted training of the same model.

    It writes `config.json` (before the training), `checkpoints/`, `history.csv` with a
    row per epoch, and TensorBoard's `logs/`. A resumed training continues at the step
    of its newest readable checkpoint, also within an epoch, and sees the same data and
    noise as an uninterrupted one.

    Args:
      config: The experiment.
      model_dir: A new or empty folder, or the folder of a run with the same
        configuration. Several workers need one folder on shared storage.
      strategy: Where to train (`tfflows.training.make_strategy`); None: the current
        one.
      termination: Saves the state on SIGTERM and ends the process with 75.
      debug_nonfinite: Whether to stop at the first value that is not finite and name
        its layer.
      source: The data; None: those that the configuration names.

    Returns:
      The model with the weights of its last epoch (the averaged ones with
      `trainer.ema`); `tfflows.zoo.load(model_dir)` gives the best.

    Raises:
      ConfigError: If the configuration cannot be trained, or the folder belongs to
        another one.
      ValueError: If the data do not fit or cannot be read, or the training diverges.
      OSError: If the data or the folder cannot be read or written.
    """
    strategy = strategy or tf.distribute.get_strategy()
    source = source or load_source(config)
    config = automatic.chosen(resolve_shape(config, source), source, model_dir)
    config = run_dir.going_on(model_dir, config)
    _check_jit(config.trainer, strategy, debug_nonfinite)
    model_dir = files.path(model_dir)
    model, optimizer = _built(config, source, strategy)
    with contextlib.ExitStack() as stack:
        # Only after all checks.
        chief = is_chief(strategy)
        stack.enter_context(run_dir.claimed(model_dir, config, writes=chief))
        with strategy.scope():
            model.compile(
                optimizer,
                jit_compile=config.trainer.jit_compile,
                max_skipped=config.trainer.max_skipped,
                steps_per_execution="auto",
            )
        checkpoints = CheckpointCallback(
            model,
            model_dir / run_dir.CHECKPOINTS,
            keep=config.trainer.keep,
            every_steps=config.trainer.checkpoint_steps,
            termination=termination,
            patience=config.trainer.patience,
        )
        if _take_up(model, checkpoints, config, source, model_dir):
            return model
        if termination is not None:
            stack.enter_context(termination.deferred())
        if debug_nonfinite:
            stack.enter_context(naming_not_finite(model))
        try:
            _fit(model, checkpoints, config, source, model_dir)
            if checkpoints.is_patience_over:
                print(_settled(config, checkpoints))
        except SkippedTooManyError as error:
            raise ValueError(
                f"{error}; of an experiment these are trainer.learning_rate, "
                "trainer.clip_norm, --debug_nonfinite and trainer.max_skipped"
            ) from error
        except tf.errors.OpError:
            if termination is not None and termination.requested:
                # Another worker stopped before this one.
                termination.stop("the same command goes on")
            raise
    return model


def _built(
    config: ExperimentConfig,
    source: tfflows.data.DataSource,
    strategy: tf.distribute.Strategy,
) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    trainer = config.trainer
    steps = source.steps_per_epoch(trainer.batch_size) * trainer.epochs
    with strategy.scope():
        with seeded_initializers(trainer.seed):
            model = _build(config)
        return model, make_optimizer(trainer, steps, model.trainable_weights)


def _take_up(
    model: keras.Model,
    checkpoints: CheckpointCallback,
    config: ExperimentConfig,
    source: tfflows.data.DataSource,
    model_dir: str | os.PathLike,
) -> bool:
    """Restores an earlier run, or initialises a new one.

    A new run starts from one batch, the same on all workers. Returns True if the
    training is already complete.
    """
    trainer, strategy = config.trainer, model.distribute_strategy
    finished = checkpoints.restore()
    require_same_on_all_workers(strategy, checkpoints.steps, "checkpoint's step")
    if finished == trainer.epochs or checkpoints.is_patience_over:
        why = f"all {trainer.epochs} epochs"
        if checkpoints.is_patience_over:
            why = _settled(config, checkpoints)
        print(f"{model_dir}: finished, {why}")
        model.optimizer.finalize_variable_values(model.trainable_weights)
        return True
    if not checkpoints.steps:
        with strategy.scope():
            model.initialize(initial_batch(source, trainer.init_examples))
            automatic.start(model, source, trainer.seed)
    else:
        steps = source.steps_per_epoch(trainer.batch_size)
        done = checkpoints.steps - finished * steps
        middle = f" and {done} of {steps} steps" if done else ""
        print(
            f"{model_dir}: goes on after epoch {finished} of {trainer.epochs}{middle}"
        )
        skip_batches(model, done)
    if is_chief(strategy):
        run_dir.keep_history(model_dir, finished)
    return False


def _settled(config: ExperimentConfig, checkpoints: CheckpointCallback) -> str:
    finished, patience = checkpoints.finished_epochs, config.trainer.patience
    return (
        f"stopped after epoch {finished}: none of the last {patience} had a lower "
        "validation loss than one before"
    )


def _fit(
    model: keras.Model,
    checkpoints: CheckpointCallback,
    config: ExperimentConfig,
    source: tfflows.data.DataSource,
    model_dir: str | os.PathLike,
) -> None:
    trainer, finished = config.trainer, checkpoints.finished_epochs
    chief = is_chief(model.distribute_strategy)
    reports = make_reports(model_dir, config, append=finished > 0) if chief else []
    # A terminal redraws the bar; a log file gets a line per epoch and per minute.
    weighers = automatic.weigher(model, source)  # after the averages are swapped in
    verbose = (1 if sys.stdout.isatty() else 2) if chief else 0
    if verbose == 2:
        reports.append(ProgressLines())
    model.fit(
        source.training_batches(
            trainer.batch_size, seed=trainer.seed, first_step=checkpoints.steps
        ),
        validation_data=source.dataset("validation", trainer.batch_size),
        steps_per_epoch=source.steps_per_epoch(trainer.batch_size),
        epochs=trainer.epochs,
        initial_epoch=finished,
        shuffle=False,  # the dataset shuffles; Keras would warn that it does not
        callbacks=[*reports, StopWhereDiverged(), checkpoints, *weighers],
        verbose=verbose,
    )


def _check_jit(
    trainer: TrainerConfig, strategy: tf.distribute.Strategy, debug_nonfinite: bool
) -> None:
    if not trainer.jit_compile:
        return
    if debug_nonfinite:
        raise ConfigError(
            "expected --debug_nonfinite without trainer.jit_compile, got both: XLA "
            "drops the checks"
        )
    several = is_multi_worker(strategy) or strategy.num_replicas_in_sync > 1
    if several and any("CPU" in name for name in strategy.extended.worker_devices):
        raise ConfigError(
            "expected trainer.jit_compile with one replica, or on GPUs or TPUs, got "
            f"{strategy.num_replicas_in_sync} replicas with CPUs: there XLA cannot "
            "compile the sum over replicas"
        )


def _build(config: ExperimentConfig) -> keras.Model:
    precision = config.trainer.precision
    if precision is None:
        return config.build()
    return override(config, {"model.dtype": precision}).build()
