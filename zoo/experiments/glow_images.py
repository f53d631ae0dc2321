"""Glow on images: the paper's settings, and small ones.

The settings follow Kingma and Dhariwal 2018, arXiv 1807.03039, section 5 and appendix,
with the authors' code's Adamax at 1e-3 after a warm-up. Reference figures are the
paper's; MNIST's is from Grathwohl et al. 2018, arXiv 1810.01367, table 2. On 28 x 28
images Glow has two levels, because 28 = 4 * 7. The class-conditional Glow follows the
authors' code on CIFAR-10: additive couplings, 5 bits, a classifier with weight 0.01.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import (
    CELEBA64,
    CELEBAHQ256,
    CIFAR10,
    DIGITS,
    IMAGENET32,
    IMAGENET64,
    MNIST,
)
from tfflows.zoo.experiments.image_trainers import (
    DIGITS_TRAINER,
    MNIST_ALPHA,
    SMALL_CIFAR10,
    SMALL_MNIST,
)
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import add

_FFJORD = Reference(
    "bits_per_dim",
    1.05,
    "bits/dim",
    "Grathwohl et al. 2018, arXiv 1810.01367, table 2: settings not published",
)
_CELEBA = Reference(
    "bits_per_dim",
    1.03,
    "bits/dim",
    "Chen et al. 2019, arXiv 1906.02735, table 1, of Glow: with a border channel and a "
    "learned top prior",
)


def _glow(bits_per_dim: float) -> Reference:
    return Reference(
        "bits_per_dim",
        bits_per_dim,
        "bits/dim",
        "Kingma and Dhariwal 2018, arXiv 1807.03039, table 2: with a border channel "
        "and a learned top prior",
    )


_PAPER = TrainerConfig(
    epochs=1800,
    batch_size=512,
    schedule="constant",
    warmup_steps=1000,
    optimizer="adamax",
    init_examples=512,
)
# The authors' code shifts CIFAR-10 and MNIST, and changes neither CelebA nor ImageNet.
_SHIFTED: dict[str, Any] = {"augment": ("shift",)}

add(
    "glow_digits",
    "glow",
    num_steps=4,
    num_levels=2,
    width=32,
    log_scale="tanh",
    data=DIGITS,
    trainer=DIGITS_TRAINER,
    description="Glow on scikit-learn's 8x8 digits, 17 grey levels",
)
add(
    "glow_digits_classes",
    "glow",
    num_steps=4,
    num_levels=2,
    width=32,
    log_scale="tanh",
    num_classes=10,
    classifier_weight=0.01,
    data=dataclasses.replace(DIGITS, label_as_context=True),
    trainer=DIGITS_TRAINER,
    description="class-conditional Glow with a classifier on scikit-learn's 8x8 digits",
)
add(
    "glow_mnist",
    "glow",
    num_levels=2,
    data=dataclasses.replace(MNIST, **_SHIFTED),
    trainer=_PAPER,
    description="Glow on MNIST: 2 levels of 32 affine steps of width 512",
    references=(_FFJORD,),
)
add(
    "glow_mnist_small",
    "glow",
    num_steps=8,
    num_levels=2,
    width=64,
    log_scale="tanh",
    logit_alpha=MNIST_ALPHA,
    data=MNIST,
    trainer=SMALL_MNIST,
    description="Glow on MNIST for two CPU cores",
)
add(
    "glow_cifar10",
    "glow",
    data=dataclasses.replace(CIFAR10, **_SHIFTED),
    trainer=_PAPER,
    description="Glow on CIFAR-10: the paper's 3 levels of 32 affine steps of "
    "width 512",
    references=(_glow(3.35),),
)
add(
    "glow_cifar10_additive",
    "glow",
    coupling="additive",
    data=dataclasses.replace(CIFAR10, **_SHIFTED),
    trainer=_PAPER,
    description="Glow on CIFAR-10 with additive couplings",
)
add(
    "glow_cifar10_classes",
    "glow",
    coupling="additive",
    n_bits=5,
    num_classes=10,
    classifier_weight=0.01,
    data=dataclasses.replace(CIFAR10, label_as_context=True, **_SHIFTED),
    trainer=_PAPER,
    description="class-conditional Glow with a classifier on CIFAR-10, 5 bits, "
    "additive couplings",
)
add(
    "glow_cifar10_small",
    "glow",
    num_steps=4,
    num_levels=3,
    width=64,
    log_scale="tanh",
    data=CIFAR10,
    trainer=SMALL_CIFAR10,
    description="Glow on CIFAR-10 for two CPU cores",
)
add(
    "glow_celeba64",
    "glow",
    num_levels=4,
    data=CELEBA64,
    trainer=dataclasses.replace(_PAPER, epochs=1000, batch_size=128),
    description="Glow on CelebA faces at 64 x 64: 4 levels of 32 affine steps of "
    "width 512",
)
add(
    "glow_imagenet32",
    "glow",
    num_steps=48,
    data=IMAGENET32,
    trainer=dataclasses.replace(_PAPER, epochs=70),
    description="Glow on ImageNet at 32 x 32: the paper's 3 levels of 48 affine steps",
    references=(_glow(4.09),),
)
add(
    "glow_imagenet64",
    "glow",
    num_steps=48,
    num_levels=4,
    data=IMAGENET64,
    trainer=dataclasses.replace(_PAPER, epochs=70, batch_size=128),
    description="Glow on ImageNet at 64 x 64: the paper's 4 levels of 48 affine steps",
    references=(_glow(3.81),),
)
add(
    "glow_celebahq256",
    "glow",
    num_levels=6,
    coupling="additive",
    n_bits=5,
    data=CELEBAHQ256,
    trainer=dataclasses.replace(_PAPER, epochs=1000, batch_size=40),
    description="Glow on CelebA-HQ at 256 x 256, 5 bits: the paper's 6 levels of "
    "additive steps",
    references=(_CELEBA,),
)
