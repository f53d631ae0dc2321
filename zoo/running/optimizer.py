"""The optimizer of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfflows.training import learning_rate_schedule
from tfflows.training.weight_decay import decay_matrices_only
from tfflows.zoo.config import TrainerConfig


def make_optimizer(
    trainer: TrainerConfig, total_steps: int, weights: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a configuration.

    Args:
      trainer: The configuration.
      total_steps: Steps of the whole training.
      weights: The weights to train, of which matrices and kernels decay.

    Returns:
      A Keras optimizer with its schedule. A warm-up longer than a tenth of the training
      is shortened to a tenth.
    """
    warmup_steps = min(trainer.warmup_steps, total_steps // 10)
    if warmup_steps < trainer.warmup_steps:
        print(
            f"warm-up of {warmup_steps} steps in place of trainer.warmup_steps="
            f"{trainer.warmup_steps}: a tenth of the {total_steps} steps of "
            f"{trainer.epochs} epochs"
        )
    schedule = learning_rate_schedule(
        trainer.learning_rate,
        total_steps,
        schedule=trainer.schedule,
        warmup_steps=warmup_steps,
    )
    settings = {
        "learning_rate": schedule,
        "weight_decay": trainer.weight_decay or None,
        "global_clipnorm": trainer.clip_norm,
        "use_ema": trainer.ema is not None,
        "ema_momentum": 0.99 if trainer.ema is None else trainer.ema,
    }
    optimizer = keras.optimizers.get(
        {"class_name": trainer.optimizer, "config": settings}
    )
    decay_matrices_only(optimizer, weights)
    return optimizer
