"""Flow++ on images: the authors' settings, and small ones.

The settings follow Ho et al. 2019, arXiv 1902.00275, and the authors' code: Adam at
3e-4 after a warm-up, batches of 64, averaged weights, but no dropout. No number of
epochs is published.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import CIFAR10, DIGITS, MNIST
from tfflows.zoo.experiments.image_trainers import (
    DIGITS_TRAINER,
    MNIST_ALPHA,
    SMALL_CIFAR10,
    SMALL_MNIST,
)
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import add

_SOURCE = "Ho et al. 2019, arXiv 1902.00275, table 1"
_PAPER = TrainerConfig(
    epochs=400,
    batch_size=64,
    learning_rate=3e-4,
    schedule="constant",
    warmup_steps=2000,
    clip_norm=1.0,
    ema=0.999,
    init_examples=128,
)
_DIGITS: dict[str, Any] = {
    "couplings_per_part": (2, 2, 2),
    "num_components": 4,
    "width": 12,
    "num_blocks": 1,
    "num_heads": 2,
    "data": DIGITS,
    "trainer": dataclasses.replace(DIGITS_TRAINER, epochs=80),
}
_SMALL: dict[str, Any] = {
    "couplings_per_part": (4, 2, 2),
    "num_components": 8,
    "width": 32,
    "num_blocks": 1,
    "noise_couplings": 2,
    "noise_blocks": 1,
}
add(
    "flowpp_digits",
    "flowpp",
    noise_couplings=2,
    noise_blocks=1,
    evaluation_draws=32,
    description="Flow++ on scikit-learn's 8x8 digits, 17 grey levels",
    **_DIGITS,
)
add(
    "flowpp_digits_uniform",
    "flowpp",
    noise="uniform",
    description="Flow++ with uniform dequantization on scikit-learn's 8x8 digits",
    **_DIGITS,
)
add(
    "flowpp_mnist",
    "flowpp",
    data=MNIST,
    trainer=_PAPER,
    description="Flow++ on MNIST with the authors' settings for CIFAR-10, without "
    "dropout",
)
add(
    "flowpp_mnist_small",
    "flowpp",
    logit_alpha=MNIST_ALPHA,
    data=MNIST,
    trainer=dataclasses.replace(SMALL_MNIST, epochs=4),
    description="Flow++ on MNIST for two CPU cores",
    **_SMALL,
)
add(
    "flowpp_cifar10",
    "flowpp",
    data=CIFAR10,
    trainer=_PAPER,
    description="Flow++ on CIFAR-10: the authors' 9 couplings of 10 blocks of width "
    "96, without dropout",
    references=(
        Reference(
            "bits_per_dim", 3.08, "bits/dim", f"{_SOURCE}: the same with dropout"
        ),
        Reference(
            "bits_per_dim", 3.29, "bits/dim", f"{_SOURCE}: uniform dequantization"
        ),
    ),
)
add(
    "flowpp_cifar10_small",
    "flowpp",
    data=CIFAR10,
    trainer=SMALL_CIFAR10,
    description="Flow++ on CIFAR-10 for two CPU cores",
    **_SMALL,
)
