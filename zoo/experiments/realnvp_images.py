"""Multi-scale RealNVP on images: the paper's settings, and small ones.

The settings follow Dinh et al. 2016, arXiv 1605.08803, section 4.1 and table 3, with
batches of 64 and Adam at 1e-3. Reference figures are the paper's; MNIST's is from
Grathwohl et al. 2018, arXiv 1810.01367, table 2. The paper's models normalise by the
batch, as in the paper, small ones by ActNorm; the descriptions say which.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import (
    CELEBA64,
    CIFAR10,
    DIGITS,
    IMAGENET32,
    IMAGENET64,
    MNIST,
)
from tfflows.zoo.experiments.image_trainers import (
    DIGITS_TRAINER,
    MNIST_ALPHA,
    SMALL,
    SMALL_MNIST,
)
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import add

_FFJORD = Reference(
    "bits_per_dim",
    1.06,
    "bits/dim",
    "Grathwohl et al. 2018, arXiv 1810.01367, table 2: settings not published",
)


def _realnvp(bits_per_dim: float) -> Reference:
    return Reference(
        "bits_per_dim",
        bits_per_dim,
        "bits/dim",
        "Dinh et al. 2016, arXiv 1605.08803, table 1: networks with doubled input, "
        "skips and batch normalization in each block",
    )


# The paper's models normalise by the batch; the small ones were measured with ActNorm.
_BATCH = "; batch normalization"
_ACTNORM = "; ActNorm in place of batch normalization"
_PAPER = TrainerConfig(epochs=1000, batch_size=64, schedule="constant", clip_norm=100.0)
# Section 4.1: CIFAR-10 and CelebA are flipped.
_FLIPPED: dict[str, Any] = {"augment": ("flip",)}

add(
    "realnvp_digits_multiscale",
    "realnvp_multiscale",
    num_levels=2,
    width=16,
    num_blocks=2,
    data=DIGITS,
    trainer=DIGITS_TRAINER,
    description="multi-scale RealNVP on scikit-learn's 8x8 digits, 17 grey levels"
    + _ACTNORM,
)
add(
    "realnvp_mnist",
    "realnvp_multiscale",
    num_levels=3,
    width=32,
    num_blocks=4,
    normalization="batch",
    data=MNIST,
    trainer=_PAPER,
    description="multi-scale RealNVP on MNIST" + _BATCH,
    references=(_FFJORD,),
)
add(
    "realnvp_mnist_small",
    "realnvp_multiscale",
    num_levels=2,
    width=16,
    num_blocks=2,
    logit_alpha=MNIST_ALPHA,
    data=MNIST,
    trainer=dataclasses.replace(SMALL_MNIST, epochs=5),
    description="multi-scale RealNVP on MNIST for two CPU cores" + _ACTNORM,
)
add(
    "realnvp_cifar10",
    "realnvp_multiscale",
    num_levels=2,
    width=64,
    num_blocks=8,
    normalization="batch",
    data=dataclasses.replace(CIFAR10, **_FLIPPED),
    trainer=_PAPER,
    description="RealNVP on CIFAR-10: the paper's 8 blocks of 64 channels, one "
    "downscaling" + _BATCH,
    references=(_realnvp(3.49),),
)
add(
    "realnvp_cifar10_small",
    "realnvp_multiscale",
    num_levels=2,
    width=16,
    num_blocks=2,
    data=CIFAR10,
    trainer=SMALL,
    description="RealNVP on CIFAR-10 for two CPU cores" + _ACTNORM,
)
add(
    "realnvp_celeba64",
    "realnvp_multiscale",
    num_levels=5,
    width=32,
    num_blocks=2,
    normalization="batch",
    data=dataclasses.replace(CELEBA64, **_FLIPPED),
    trainer=_PAPER,
    description="RealNVP on CelebA faces at 64 x 64: the paper's 2 blocks of 32 "
    "channels" + _BATCH,
    references=(_realnvp(3.02),),
)
add(
    "realnvp_imagenet32",
    "realnvp_multiscale",
    num_levels=4,
    width=32,
    num_blocks=4,
    normalization="batch",
    data=IMAGENET32,
    trainer=_PAPER,
    description="RealNVP on ImageNet at 32 x 32: the paper's 4 blocks of 32 channels"
    + _BATCH,
    references=(_realnvp(4.28),),
)
add(
    "realnvp_imagenet64",
    "realnvp_multiscale",
    num_levels=5,
    width=32,
    num_blocks=2,
    normalization="batch",
    data=IMAGENET64,
    trainer=_PAPER,
    description="RealNVP on ImageNet at 64 x 64: the paper's 2 blocks of 32 channels"
    + _BATCH,
    references=(_realnvp(3.98),),
)
