"""Trainings that several image flows share."""

from __future__ import annotations

import dataclasses

from tfflows.zoo.config import TrainerConfig

DIGITS_TRAINER = TrainerConfig(
    epochs=60, batch_size=64, learning_rate=2e-3, warmup_steps=50, clip_norm=50.0
)
# bfloat16 networks trained 1.7 times as fast on a CPU that has it.
SMALL = TrainerConfig(
    epochs=16,
    batch_size=128,
    learning_rate=1e-3,  # 2e-3 diverged within the first epoch
    warmup_steps=400,
    clip_norm=50.0,
    init_examples=1024,
    precision="mixed_bfloat16",
)
SMALL_CIFAR10 = dataclasses.replace(SMALL, epochs=2, batch_size=32)
SMALL_MNIST = dataclasses.replace(SMALL, epochs=8, batch_size=32)
# Four fifths of MNIST's pixels are 0. On a scale that gives this level 1/256 of the
# range, a Glow had 2.58 bits/dim after 108,000 images; on this one 1.38 after 54,000.
MNIST_ALPHA = 1e-6
