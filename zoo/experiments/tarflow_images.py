"""Transformer flows on images: the authors' settings, and small ones.

TarFlow follows Zhai et al. 2024, arXiv 2412.06329, and the authors' code: 4 blocks of 8
layers of width 512, batches of 128, Adam at 1e-4 with a cosine and a weight decay of
1e-4. The code's second beta is 0.95, ours Keras' 0.999. The paper has no figures for
these data.
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
)
from tfflows.zoo.registry import add

_PAPER = TrainerConfig(
    epochs=100, batch_size=128, learning_rate=1e-4, weight_decay=1e-4
)
_DIGITS_TRAINER = TrainerConfig(
    epochs=80, batch_size=64, learning_rate=2e-3, warmup_steps=50, clip_norm=50.0
)
_SMALL = TrainerConfig(
    epochs=8,
    batch_size=64,
    learning_rate=1e-3,
    warmup_steps=400,
    clip_norm=50.0,
    precision="mixed_bfloat16",
)
_DIGITS_SIZE: dict[str, Any] = {
    "num_layers": 2,
    "width": 32,
    "num_heads": 4,
    "expansion": 2,
}
_SMALL_SIZE: dict[str, Any] = {
    "patch_size": 4,
    "num_layers": 2,
    "width": 48,
    "num_heads": 4,
    "expansion": 2,
}
# Gaussian noise, and labels that are sometimes hidden: what `generate` builds on.
_GENERATIVE: dict[str, Any] = {
    "noise_std": 0.05,
    "num_classes": 10,
    "label_dropout": 0.1,
}

add(
    "tarflow_digits",
    "tarflow",
    logit_alpha=0.05,
    **_DIGITS_SIZE,
    data=DIGITS,
    trainer=_DIGITS_TRAINER,
    description="TarFlow on scikit-learn's 8x8 digits, 17 grey levels",
    references=DIGITS_BASELINES,
)
add(
    "tarflow_digits_classes",
    "tarflow",
    **_DIGITS_SIZE,
    **{**_GENERATIVE, "noise_std": 0.2},
    data=dataclasses.replace(DIGITS, label_as_context=True),
    trainer=dataclasses.replace(_DIGITS_TRAINER, epochs=60),
    description="class-conditional TarFlow with Gaussian noise on scikit-learn's 8x8 "
    "digits, for guided and denoised samples",
)
add(
    "tarflow_mnist",
    "tarflow",
    logit_alpha=1e-6,
    data=MNIST,
    trainer=_PAPER,
    description="TarFlow on MNIST: the authors' 4 blocks of 8 layers of width 512, on "
    "logits",
)
add(
    "tarflow_mnist_small",
    "tarflow",
    logit_alpha=1e-6,
    **_SMALL_SIZE,
    data=MNIST,
    trainer=_SMALL,
    description="TarFlow on MNIST for two CPU cores",
)
add(
    "tarflow_cifar10",
    "tarflow",
    data=CIFAR10,
    trainer=_PAPER,
    description="TarFlow on CIFAR-10: the authors' 4 blocks of 8 layers of width 512",
)
add(
    "tarflow_cifar10_classes",
    "tarflow",
    **_GENERATIVE,
    data=dataclasses.replace(CIFAR10, label_as_context=True, augment=("flip",)),
    trainer=_PAPER,
    description="class-conditional TarFlow with Gaussian noise on CIFAR-10, for guided "
    "and denoised samples",
)
add(
    "tarflow_cifar10_small",
    "tarflow",
    **{**_SMALL_SIZE, "width": 72},
    data=CIFAR10,
    trainer=dataclasses.replace(_SMALL, epochs=2),
    description="TarFlow on CIFAR-10 for two CPU cores",
)
