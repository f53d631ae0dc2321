"""Residual flows, on toys and images.

The bound of each block, 0.94, is that of the authors' code, 0.98 for each of three
layers. `residual_flow_mnist` and `_cifar10` have the blocks of theirs, but neither the
dense blocks at their end nor a number of terms from a Poisson law.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import (
    CIFAR10,
    DIGITS,
    DIGITS_BASELINES,
    MNIST,
    TOY_REFERENCES,
    TOYS,
)
from tfflows.zoo.experiments.image_trainers import DIGITS_TRAINER, MNIST_ALPHA
from tfflows.zoo.registry import add

_BOUND = 0.94
_TOY = TrainerConfig(epochs=60, batch_size=512, learning_rate=5e-3, clip_norm=5.0)

for _toy in ("eight_gaussians", "checkerboard", "two_moons", "rings"):
    add(
        f"residual_flow_{_toy}",
        "residual_flow",
        num_blocks=30,
        hidden_units=(32, 32),
        lipschitz=_BOUND,
        data=TOYS[_toy],
        trainer=_TOY,
        description=f"residual flow with exact log-dets on the 2-D density {_toy}",
        references=TOY_REFERENCES.get(_toy, ()),
    )

_IMAGES: dict[str, Any] = {"network": "convnet", "lipschitz": _BOUND}
add(
    "residual_flow_digits",
    "residual_flow",
    num_blocks=6,
    width=32,
    num_levels=2,
    **_IMAGES,
    data=DIGITS,
    trainer=DIGITS_TRAINER,
    description="convolutional residual flow on scikit-learn's 8x8 digits, 17 grey "
    "levels",
    references=DIGITS_BASELINES,
)
_PAPER = TrainerConfig(
    epochs=300,
    batch_size=64,
    learning_rate=1e-3,
    schedule="constant",
    warmup_steps=1000,
    ema=0.999,
)
add(
    "residual_flow_mnist",
    "residual_flow",
    num_blocks=16,
    width=512,
    num_levels=3,
    logit_alpha=MNIST_ALPHA,
    **_IMAGES,
    data=MNIST,
    trainer=_PAPER,
    description="residual flow on MNIST: the authors' 3 levels of 16 blocks of width "
    "512; not trained by us",
)
add(
    "residual_flow_cifar10",
    "residual_flow",
    num_blocks=16,
    width=512,
    num_levels=3,
    logit_alpha=0.05,
    **_IMAGES,
    data=dataclasses.replace(CIFAR10, augment=("flip",)),
    trainer=_PAPER,
    description="residual flow on CIFAR-10: the authors' 3 levels of 16 blocks of "
    "width 512; not trained by us",
)
