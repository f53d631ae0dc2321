"""Learning-rate schedules."""

from __future__ import annotations

import keras

SCHEDULES = ("cosine", "constant")


def learning_rate_schedule(
    learning_rate: float,
    total_steps: int,
    *,
    schedule: str = "cosine",
    warmup_steps: int = 0,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns a schedule: a linear warm-up, then a cosine decay or a constant.

    The cosine is from Loshchilov & Hutter (2016), "SGDR", arXiv:1608.03983, without
    restarts.

    Args:
      learning_rate: The highest learning rate, reached after `warmup_steps`.
      total_steps: Number of training steps; the cosine then reaches zero.
      schedule: "cosine" or "constant".
      warmup_steps: Number of warm-up steps; below `total_steps`.

    Returns:
      A Keras schedule.

    Raises:
      ValueError: If the schedule is unknown or the warm-up leaves no step.
    """
    if schedule not in SCHEDULES:
        raise ValueError(
            f"expected schedule {' or '.join(SCHEDULES)}, got {schedule!r}"
        )
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"expected warmup_steps from 0 to below the {total_steps} steps of the "
            f"training, got {warmup_steps}"
        )
    return keras.optimizers.schedules.CosineDecay(
        # A warm-up from zero would waste the first step.
        initial_learning_rate=learning_rate / max(warmup_steps, 1),
        decay_steps=total_steps - warmup_steps,
        # With alpha = 1 the cosine falls to the full rate: a constant.
        alpha=0.0 if schedule == "cosine" else 1.0,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
