"""Neural spline flows on images: the authors' settings, and small ones.

The settings are those of the code of Durkan et al. 2019, arXiv 1906.04032
(experiments/image_configs; for CIFAR-10 with 8 bits, artur/image_configs): Adam at 5e-4
along a cosine, as many epochs as give their number of steps. Reference figures are the
paper's (section 5.3), of networks with batch normalization and, except on ImageNet with
8 bits, dropout. The authors published no settings for ImageNet at 32 x 32.

The small ones have Glow's split priors and about as many parameters as the `glow_*` of
the same data, for a comparison.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import CIFAR10, DIGITS, IMAGENET64, MNIST
from tfflows.zoo.experiments.image_trainers import (
    DIGITS_TRAINER,
    MNIST_ALPHA,
    SMALL_CIFAR10,
    SMALL_MNIST,
)
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import add


def _published(bits_per_dim: float, dropout: bool = True) -> Reference:
    differs = "batch normalization" + (" and dropout" if dropout else "")
    source = f"Durkan et al. 2019, arXiv 1906.04032, section 5.3: with {differs}"
    return Reference("bits_per_dim", bits_per_dim, "bits/dim", source)


_CIFAR10: dict[str, Any] = {
    "factor_out": False,
    "data": dataclasses.replace(CIFAR10, augment=("flip",)),
}
# 88 steps of 512 in an epoch.
_CIFAR10_TRAINER = TrainerConfig(
    epochs=2275, batch_size=512, learning_rate=5e-4, init_examples=512
)
_IMAGENET64: dict[str, Any] = {"num_levels": 4, "num_bins": 8, "data": IMAGENET64}
# 4,504 steps of 256 in an epoch: a tenth of the images are for tests.
_IMAGENET64_TRAINER = TrainerConfig(
    epochs=44, batch_size=256, learning_rate=5e-4, init_examples=256
)

add(
    "nsf_multiscale_cifar10",
    "nsf_multiscale",
    **_CIFAR10,
    trainer=_CIFAR10_TRAINER,
    description="spline flow with Glow's steps on CIFAR-10: the authors' 3 levels of 7 "
    "steps of width 96, without dropout",
    references=(_published(3.38),),
)
add(
    "nsf_multiscale_cifar10_5bit",
    "nsf_multiscale",
    width=64,
    num_bins=2,
    n_bits=5,
    **_CIFAR10,
    trainer=dataclasses.replace(_CIFAR10_TRAINER, epochs=1138),
    description="spline flow with Glow's steps on CIFAR-10, 5 bits: the authors' 3 "
    "levels of 7 steps of width 64, without dropout",
    references=(_published(1.70),),
)
add(
    "nsf_multiscale_imagenet64",
    "nsf_multiscale",
    **_IMAGENET64,
    trainer=_IMAGENET64_TRAINER,
    description="spline flow with Glow's steps on ImageNet at 64 x 64: the authors' 4 "
    "levels of 7 steps of width 96",
    references=(_published(3.82, dropout=False),),
)
add(
    "nsf_multiscale_imagenet64_5bit",
    "nsf_multiscale",
    n_bits=5,
    **_IMAGENET64,
    trainer=dataclasses.replace(_IMAGENET64_TRAINER, epochs=22),
    description="spline flow with Glow's steps on ImageNet at 64 x 64, 5 bits: the "
    "authors' 4 levels of 7 steps of width 96, without dropout",
    references=(_published(1.77),),
)
_SMALL: dict[str, Any] = {"num_blocks": 1, "split_priors": True}
add(
    "nsf_multiscale_digits",
    "nsf_multiscale",
    num_steps=4,
    num_levels=2,
    width=12,
    num_bins=8,
    **_SMALL,
    data=DIGITS,
    trainer=DIGITS_TRAINER,
    description="spline flow with Glow's steps on scikit-learn's 8x8 digits, 17 grey "
    "levels",
)
add(
    "nsf_multiscale_mnist_small",
    "nsf_multiscale",
    num_steps=8,
    num_levels=2,
    width=21,
    num_bins=8,
    logit_alpha=MNIST_ALPHA,
    **_SMALL,
    data=MNIST,
    trainer=SMALL_MNIST,
    description="spline flow with Glow's steps on MNIST for two CPU cores",
)
add(
    "nsf_multiscale_cifar10_small",
    "nsf_multiscale",
    num_steps=4,
    width=35,
    **_SMALL,
    data=CIFAR10,
    trainer=SMALL_CIFAR10,
    description="spline flow with Glow's steps on CIFAR-10 for two CPU cores",
)
