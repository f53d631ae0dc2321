"""Training an experiment: from a configuration to a folder with its checkpoints."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

import tfflows.data
from tfflows.training import (
    CheckpointCallback,
    SampleGridCallback,
    learning_rate_schedule,
)
from tfflows.zoo import run_dir
from tfflows.zoo.config import ExperimentConfig, TrainerConfig
from tfflows.zoo.contexts import classes_in_turn
from tfflows.zoo.model_config import GlowConfig, RealNVPMultiscaleConfig
from tfflows.zoo.overrides import override
from tfflows.zoo.pictures import is_image
from tfflows.zoo.sources import load_source, resolve_shape

_GRID = 16  # samples in each grid


def train(config: ExperimentConfig, model_dir: str | os.PathLike) -> keras.Model:
    """Trains a model, or goes on with an interrupted training of the same one.

    The folder gets `config.json` (before the training), `checkpoints/`, `history.csv`
    with a row an epoch, and TensorBoard's `logs/`. A resumed training sees the data
    in the order in which an uninterrupted one would.

    Args:
      config: The experiment.
      model_dir: A new or empty folder, or that of a run of the same configuration.

    Returns:
      The model with the weights of its last epoch; `tfflows.zoo.load(model_dir)` gives
      the best.

    Raises:
      ConfigError: The configuration cannot be trained, or the folder is another's.
      ValueError: The data do not fit or cannot be read, or the training diverged.
      OSError: The data or the folder cannot be read or written.
    """
    source = load_source(config)
    config = resolve_shape(config, source)
    trainer = config.trainer
    steps = max(source.num_examples["train"] // trainer.batch_size, 1)
    keras.utils.set_random_seed(trainer.seed)
    model = _build(config)
    optimizer = make_optimizer(trainer, steps * trainer.epochs, model.trainable_weights)
    run_dir.claim(model_dir, config)

    model.compile(optimizer, jit_compile=trainer.jit_compile)
    checkpoints = CheckpointCallback(
        model, pathlib.Path(model_dir) / run_dir.CHECKPOINTS
    )
    finished = checkpoints.restore()
    if finished == trainer.epochs:
        print(f"{model_dir}: finished, all {trainer.epochs} epochs")
        return model
    if finished:
        print(f"{model_dir}: goes on after epoch {finished} of {trainer.epochs}")
    else:
        model.initialize(_initial_batch(source, trainer.init_examples))
    model.fit(
        _training_data(source, trainer).skip(finished * steps),
        validation_data=source.dataset("validation", trainer.batch_size),
        steps_per_epoch=steps,
        epochs=trainer.epochs,
        initial_epoch=finished,
        shuffle=False,  # the dataset does, and Keras warns that it does not
        callbacks=[*_reports(model_dir, config, finished > 0), checkpoints],
        # A terminal redraws the bar; a log file gets one line an epoch.
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if checkpoints.finished_epochs < trainer.epochs:
        raise ValueError(
            "expected finite losses, got NaN or infinity in epoch "
            f"{checkpoints.finished_epochs + 1}; lower trainer.learning_rate or set "
            "trainer.clip_norm"
        )
    return model


def make_optimizer(
    trainer: TrainerConfig, total_steps: int, weights: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Makes the optimizer of a configuration.

    Args:
      trainer: The configuration.
      total_steps: Steps of the whole training.
      weights: What it will train; those of less than two axes do not decay.

    Returns:
      A Keras optimizer with its schedule.

    Raises:
      ValueError: The warm-up is as long as the training.
    """
    schedule = learning_rate_schedule(
        trainer.learning_rate,
        total_steps,
        schedule=trainer.schedule,
        warmup_steps=trainer.warmup_steps,
    )
    settings = {
        "learning_rate": schedule,
        "weight_decay": trainer.weight_decay or None,
        "global_clipnorm": trainer.clip_norm,
    }
    optimizer = keras.optimizers.get(
        {"class_name": trainer.optimizer, "config": settings}
    )
    # A decaying log-scale would pull the density towards the unit scale.
    vectors = [weight for weight in weights if len(weight.shape) < 2]
    if trainer.weight_decay and vectors:
        optimizer.exclude_from_weight_decay(var_list=vectors)
    return optimizer


def _build(config: ExperimentConfig) -> keras.Model:
    precision = config.trainer.precision
    if precision is None:
        return config.build()
    return override(config, {"model.dtype": precision}).build()


def _initial_batch(source: tfflows.data.DataSource, limit: int) -> Any:
    x = source.arrays("train", limit=limit)
    if not source.label_as_context:
        return x
    return {"x": x, "context": source.labels("train", limit=limit)}


def _training_data(
    source: tfflows.data.DataSource, trainer: TrainerConfig
) -> tf.data.Dataset:
    """Returns all epochs as one endless dataset, so that `skip` finds any of them."""
    return source.dataset(
        "train",
        trainer.batch_size,
        shuffle=True,
        seed=trainer.seed,
        # A small last batch would weigh its examples more than others.
        drop_remainder=source.num_examples["train"] >= trainer.batch_size,
    ).repeat()


def _reports(
    model_dir: str | os.PathLike, config: ExperimentConfig, append: bool
) -> list[keras.callbacks.Callback]:
    folder = pathlib.Path(model_dir)
    logs = os.fspath(folder / run_dir.LOGS)
    reports = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(folder / run_dir.HISTORY, append=append),
        keras.callbacks.TensorBoard(logs, write_graph=False),
    ]
    if isinstance(config.model, GlowConfig | RealNVPMultiscaleConfig) and (
        is_image(config.data.event_shape or ())
    ):
        grids, labels = os.path.join(logs, "samples"), classes_in_turn(config, _GRID)
        reports.append(SampleGridCallback(grids, num_samples=_GRID, context=labels))
    return reports
