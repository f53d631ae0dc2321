"""Multi-scale RealNVP, Glow and Flow++ on images: the papers' settings, and small ones.

RealNVP follows Dinh et al. 2016, arXiv 1605.08803, section 4.1 and table 3, with
batches of 64 and Adam at 1e-3. Glow follows Kingma and Dhariwal 2018, arXiv 1807.03039,
section 5 and appendix, with the authors' code's Adamax at 1e-3 after a warm-up.
Reference figures are from these papers. On 28 x 28 images Glow has two levels, because
28 = 4 * 7. The paper's RealNVPs normalise by the batch, as in the paper, small ones by
ActNorm; the descriptions say which. The class-conditional Glow follows the authors'
code on CIFAR-10: additive couplings, 5 bits, a classifier with weight 0.01. Flow++
follows Ho et al. 2019, arXiv 1902.00275, and the authors' code: Adam at 3e-4 after a
warm-up, batches of 64, averaged weights, but no dropout. No number of epochs is
published.
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
from tfflows.zoo.registry import add

# The paper's models normalise by the batch; the small ones were measured with ActNorm.
_BATCH = "; batch normalization"
_ACTNORM = "; ActNorm in place of batch normalization"
_REALNVP_PAPER = TrainerConfig(
    epochs=1000, batch_size=64, schedule="constant", clip_norm=100.0
)
_GLOW_PAPER = TrainerConfig(
    epochs=1800,
    batch_size=512,
    schedule="constant",
    warmup_steps=1000,
    optimizer="adamax",
    init_examples=512,
)
# The authors' augmentation. Dinh et al., section 4.1, flip CIFAR-10 and CelebA; Glow's
# code shifts CIFAR-10 and MNIST, and changes neither CelebA nor ImageNet.
_FLIPPED: dict[str, Any] = {"augment": ("flip",)}
_SHIFTED: dict[str, Any] = {"augment": ("shift",)}
_FLOWPP_PAPER = TrainerConfig(
    epochs=400,
    batch_size=64,
    learning_rate=3e-4,
    schedule="constant",
    warmup_steps=2000,
    clip_norm=1.0,
    ema=0.999,
    init_examples=128,
)
_DIGITS_TRAINER = TrainerConfig(
    epochs=60, batch_size=64, learning_rate=2e-3, warmup_steps=50, clip_norm=50.0
)


# bfloat16 networks trained 1.7 times as fast on a CPU that has it.
_SMALL = TrainerConfig(
    epochs=16,
    batch_size=128,
    learning_rate=1e-3,  # 2e-3 diverged within the first epoch
    warmup_steps=400,
    clip_norm=50.0,
    init_examples=1024,
    precision="mixed_bfloat16",
)
# Four fifths of MNIST's pixels are 0. On a scale that gives this level 1/256 of the
# range, a Glow had 2.58 bits/dim after 108,000 images; on this one 1.38 after 54,000.
_MNIST_ALPHA = 1e-6
_SMALL_MNIST = dataclasses.replace(_SMALL, epochs=8, batch_size=32)

add(
    "realnvp_digits_multiscale",
    "realnvp_multiscale",
    num_levels=2,
    width=16,
    num_blocks=2,
    data=DIGITS,
    trainer=_DIGITS_TRAINER,
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
    trainer=_REALNVP_PAPER,
    description="multi-scale RealNVP on MNIST" + _BATCH,
    reference={"bits_per_dim": 1.06},
)
add(
    "realnvp_mnist_small",
    "realnvp_multiscale",
    num_levels=2,
    width=16,
    num_blocks=2,
    logit_alpha=_MNIST_ALPHA,
    data=MNIST,
    trainer=dataclasses.replace(_SMALL_MNIST, epochs=5),
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
    trainer=_REALNVP_PAPER,
    description="RealNVP on CIFAR-10: the paper's 8 blocks of 64 channels, one "
    "downscaling" + _BATCH,
    reference={"bits_per_dim": 3.49},
)
add(
    "realnvp_cifar10_small",
    "realnvp_multiscale",
    num_levels=2,
    width=16,
    num_blocks=2,
    data=CIFAR10,
    trainer=_SMALL,
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
    trainer=_REALNVP_PAPER,
    description="RealNVP on CelebA faces at 64 x 64: the paper's 2 blocks of 32 "
    "channels" + _BATCH,
    reference={"bits_per_dim": 3.02},
)
add(
    "realnvp_imagenet32",
    "realnvp_multiscale",
    num_levels=4,
    width=32,
    num_blocks=4,
    normalization="batch",
    data=IMAGENET32,
    trainer=_REALNVP_PAPER,
    description="RealNVP on ImageNet at 32 x 32: the paper's 4 blocks of 32 channels"
    + _BATCH,
    reference={"bits_per_dim": 4.28},
)
add(
    "realnvp_imagenet64",
    "realnvp_multiscale",
    num_levels=5,
    width=32,
    num_blocks=2,
    normalization="batch",
    data=IMAGENET64,
    trainer=_REALNVP_PAPER,
    description="RealNVP on ImageNet at 64 x 64: the paper's 2 blocks of 32 channels"
    + _BATCH,
    reference={"bits_per_dim": 3.98},
)
add(
    "glow_digits",
    "glow",
    num_steps=4,
    num_levels=2,
    width=32,
    log_scale="tanh",
    data=DIGITS,
    trainer=_DIGITS_TRAINER,
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
    trainer=_DIGITS_TRAINER,
    description="class-conditional Glow with a classifier on scikit-learn's 8x8 digits",
)
add(
    "glow_mnist",
    "glow",
    num_levels=2,
    data=dataclasses.replace(MNIST, **_SHIFTED),
    trainer=_GLOW_PAPER,
    description="Glow on MNIST: 2 levels of 32 affine steps of width 512",
    reference={"bits_per_dim": 1.05},
)
add(
    "glow_mnist_small",
    "glow",
    num_steps=8,
    num_levels=2,
    width=64,
    log_scale="tanh",
    logit_alpha=_MNIST_ALPHA,
    data=MNIST,
    trainer=_SMALL_MNIST,
    description="Glow on MNIST for two CPU cores",
)
add(
    "glow_cifar10",
    "glow",
    data=dataclasses.replace(CIFAR10, **_SHIFTED),
    trainer=_GLOW_PAPER,
    description="Glow on CIFAR-10: the paper's 3 levels of 32 affine steps of "
    "width 512",
    reference={"bits_per_dim": 3.35},
)
add(
    "glow_cifar10_additive",
    "glow",
    coupling="additive",
    data=dataclasses.replace(CIFAR10, **_SHIFTED),
    trainer=_GLOW_PAPER,
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
    trainer=_GLOW_PAPER,
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
    trainer=dataclasses.replace(_SMALL, epochs=2, batch_size=32),
    description="Glow on CIFAR-10 for two CPU cores",
)
add(
    "glow_celeba64",
    "glow",
    num_levels=4,
    data=CELEBA64,
    trainer=dataclasses.replace(_GLOW_PAPER, epochs=1000, batch_size=128),
    description="Glow on CelebA faces at 64 x 64: 4 levels of 32 affine steps of "
    "width 512",
)
add(
    "glow_imagenet32",
    "glow",
    num_steps=48,
    data=IMAGENET32,
    trainer=dataclasses.replace(_GLOW_PAPER, epochs=70),
    description="Glow on ImageNet at 32 x 32: the paper's 3 levels of 48 affine steps",
    reference={"bits_per_dim": 4.09},
)
add(
    "glow_imagenet64",
    "glow",
    num_steps=48,
    num_levels=4,
    data=IMAGENET64,
    trainer=dataclasses.replace(_GLOW_PAPER, epochs=70, batch_size=128),
    description="Glow on ImageNet at 64 x 64: the paper's 4 levels of 48 affine steps",
    reference={"bits_per_dim": 3.81},
)
add(
    "glow_celebahq256",
    "glow",
    num_levels=6,
    coupling="additive",
    n_bits=5,
    data=CELEBAHQ256,
    trainer=dataclasses.replace(_GLOW_PAPER, epochs=1000, batch_size=40),
    description="Glow on CelebA-HQ at 256 x 256, 5 bits: the paper's 6 levels of "
    "additive steps",
    reference={"bits_per_dim": 1.03},
)

_FLOWPP_DIGITS: dict[str, Any] = {
    "couplings_per_part": (2, 2, 2),
    "num_components": 4,
    "width": 12,
    "num_blocks": 1,
    "num_heads": 2,
    "data": DIGITS,
    "trainer": dataclasses.replace(_DIGITS_TRAINER, epochs=80),
}
_FLOWPP_SMALL: dict[str, Any] = {
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
    **_FLOWPP_DIGITS,
)
add(
    "flowpp_digits_uniform",
    "flowpp",
    noise="uniform",
    description="Flow++ with uniform dequantization on scikit-learn's 8x8 digits",
    **_FLOWPP_DIGITS,
)
add(
    "flowpp_mnist",
    "flowpp",
    data=MNIST,
    trainer=_FLOWPP_PAPER,
    description="Flow++ on MNIST with the authors' settings for CIFAR-10, without "
    "dropout",
)
add(
    "flowpp_mnist_small",
    "flowpp",
    logit_alpha=_MNIST_ALPHA,
    data=MNIST,
    trainer=dataclasses.replace(_SMALL_MNIST, epochs=4),
    description="Flow++ on MNIST for two CPU cores",
    **_FLOWPP_SMALL,
)
add(
    "flowpp_cifar10",
    "flowpp",
    data=CIFAR10,
    trainer=_FLOWPP_PAPER,
    description="Flow++ on CIFAR-10: the authors' 9 couplings of 10 blocks of width "
    "96, without dropout",
    reference={
        "bits_per_dim of the authors' model, which has dropout": 3.08,
        "bits_per_dim of theirs with uniform dequantization": 3.29,
    },
)
add(
    "flowpp_cifar10_small",
    "flowpp",
    data=CIFAR10,
    trainer=dataclasses.replace(_SMALL, epochs=2, batch_size=32),
    description="Flow++ on CIFAR-10 for two CPU cores",
    **_FLOWPP_SMALL,
)
