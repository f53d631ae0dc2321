"""Multi-scale RealNVP and Glow on images: the papers' settings, and small ones.

RealNVP: Dinh et al. 2016, arXiv:1605.08803, section 4.1 and table 3; its batches of 64
and Adam at 1e-3. Glow: Kingma and Dhariwal 2018, arXiv:1807.03039, section 5 and its
appendix; Adamax at 1e-3 after a rise, as in the authors' code. Reference figures are
those papers'. On 28 x 28 images Glow has two levels, for 28 = 4 * 7. The paper's
RealNVPs normalise by the batch, as the paper does, small ones by ActNorm: descriptions
say which. The class-conditional Glow is that of the authors' code on CIFAR-10: additive
couplings, 5 bits, a classifier of weight 0.01.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.model_config import GlowConfig, RealNVPMultiscaleConfig
from tfflows.zoo.registry import register

_DIGITS = DataConfig(name="digits", event_shape=(8, 8, 1), levels=17)
_MNIST = DataConfig(name="mnist", event_shape=(28, 28, 1), levels=256)
_CIFAR10 = DataConfig(name="cifar10", event_shape=(32, 32, 3), levels=256)
_IMAGENET32 = DataConfig(
    name="downsampled_imagenet/32x32", event_shape=(32, 32, 3), levels=256
)
_IMAGENET64 = DataConfig(
    name="downsampled_imagenet/64x64", event_shape=(64, 64, 3), levels=256
)
_CELEBA64 = DataConfig(name="celeba64", event_shape=(64, 64, 3), levels=256)
_CELEBAHQ256 = DataConfig(name="celeb_a_hq/256", event_shape=(256, 256, 3), levels=256)

# The paper's models normalise by the batch; the small ones were measured with ActNorm.
_BATCH: dict[str, Any] = {"normalization": "batch"}
_NORMALIZATIONS = {
    "batch": "; batch normalization",
    "actnorm": "; ActNorm in place of batch normalization",
}
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


def _add(
    name: str,
    parameters: int,
    model: ModelConfig,
    data: DataConfig,
    trainer: TrainerConfig,
    description: str,
    bits_per_dim: float | None = None,
) -> None:
    if isinstance(model, RealNVPMultiscaleConfig):
        description += _NORMALIZATIONS[model.normalization]
    reference = {} if bits_per_dim is None else {"bits_per_dim": bits_per_dim}
    config = ExperimentConfig(name, model, data, trainer, description, reference)
    register(name, parameters=parameters)(lambda: config)


_add(
    "realnvp_digits_multiscale",
    301_922,
    RealNVPMultiscaleConfig(num_levels=2, width=16, num_blocks=2),
    _DIGITS,
    _DIGITS_TRAINER,
    "multi-scale RealNVP on scikit-learn's 8x8 digits, 17 grey levels",
)
_add(
    "realnvp_mnist",
    10_393_350,
    RealNVPMultiscaleConfig(num_levels=3, width=32, num_blocks=4, **_BATCH),
    _MNIST,
    _REALNVP_PAPER,
    "multi-scale RealNVP on MNIST",
    1.06,
)
_add(
    "realnvp_mnist_small",
    301_922,
    RealNVPMultiscaleConfig(
        num_levels=2, width=16, num_blocks=2, logit_alpha=_MNIST_ALPHA
    ),
    _MNIST,
    dataclasses.replace(_SMALL_MNIST, epochs=5),
    "multi-scale RealNVP on MNIST for two CPU cores",
)
_add(
    "realnvp_cifar10",
    18_482_582,
    RealNVPMultiscaleConfig(num_levels=2, width=64, num_blocks=8, **_BATCH),
    _CIFAR10,
    _REALNVP_PAPER,
    "RealNVP on CIFAR-10: the paper's 8 blocks of 64 channels, one downscaling",
    3.49,
)
_add(
    "realnvp_cifar10_small",
    328_934,
    RealNVPMultiscaleConfig(num_levels=2, width=16, num_blocks=2),
    _CIFAR10,
    _SMALL,
    "RealNVP on CIFAR-10 for two CPU cores",
)
_add(
    "realnvp_celeba64",
    90_777_146,
    RealNVPMultiscaleConfig(num_levels=5, width=32, num_blocks=2, **_BATCH),
    _CELEBA64,
    _REALNVP_PAPER,
    "RealNVP on CelebA faces at 64 x 64: the paper's 2 blocks of 32 channels",
    3.02,
)
_add(
    "realnvp_imagenet32",
    43_635_402,
    RealNVPMultiscaleConfig(num_levels=4, width=32, num_blocks=4, **_BATCH),
    _IMAGENET32,
    _REALNVP_PAPER,
    "RealNVP on ImageNet at 32 x 32: the paper's 4 blocks of 32 channels",
    4.28,
)
_add(
    "realnvp_imagenet64",
    90_777_146,
    RealNVPMultiscaleConfig(num_levels=5, width=32, num_blocks=2, **_BATCH),
    _IMAGENET64,
    _REALNVP_PAPER,
    "RealNVP on ImageNet at 64 x 64: the paper's 2 blocks of 32 channels",
    3.98,
)

_add(
    "glow_digits",
    30_544,
    GlowConfig(num_steps=4, num_levels=2, width=32, log_scale="tanh"),
    _DIGITS,
    _DIGITS_TRAINER,
    "Glow on scikit-learn's 8x8 digits, 17 grey levels",
)
_add(
    "glow_digits_classes",
    30_794,
    GlowConfig(
        num_steps=4,
        num_levels=2,
        width=32,
        log_scale="tanh",
        num_classes=10,
        classifier_weight=0.01,
    ),
    dataclasses.replace(_DIGITS, label_as_context=True),
    _DIGITS_TRAINER,
    "class-conditional Glow with a classifier on scikit-learn's 8x8 digits",
)
_add(
    "glow_mnist",
    19_566_672,
    GlowConfig(num_levels=2),
    _MNIST,
    _GLOW_PAPER,
    "Glow on MNIST: 2 levels of 32 affine steps of width 512",
    1.05,
)
_add(
    "glow_mnist_small",
    153_680,
    GlowConfig(
        num_steps=8, num_levels=2, width=64, log_scale="tanh", logit_alpha=_MNIST_ALPHA
    ),
    _MNIST,
    _SMALL_MNIST,
    "Glow on MNIST for two CPU cores",
)
_add(
    "glow_cifar10",
    44_052_720,
    GlowConfig(),
    _CIFAR10,
    _GLOW_PAPER,
    "Glow on CIFAR-10: the paper's 3 levels of 32 affine steps of width 512",
    3.35,
)
_add(
    "glow_cifar10_additive",
    37_856_880,
    GlowConfig(coupling="additive"),
    _CIFAR10,
    _GLOW_PAPER,
    "Glow on CIFAR-10 with additive couplings",
)
_add(
    "glow_cifar10_classes",
    37_858_330,
    GlowConfig(coupling="additive", n_bits=5, num_classes=10, classifier_weight=0.01),
    dataclasses.replace(_CIFAR10, label_as_context=True),
    _GLOW_PAPER,
    "class-conditional Glow with a classifier on CIFAR-10, 5 bits, additive couplings",
)
_add(
    "glow_cifar10_small",
    359_280,
    GlowConfig(num_steps=4, num_levels=3, width=64, log_scale="tanh"),
    _CIFAR10,
    dataclasses.replace(_SMALL, epochs=2, batch_size=32),
    "Glow on CIFAR-10 for two CPU cores",
)
_add(
    "glow_celeba64",
    74_058_192,
    GlowConfig(num_levels=4),
    _CELEBA64,
    dataclasses.replace(_GLOW_PAPER, epochs=1000, batch_size=128),
    "Glow on CelebA faces at 64 x 64: 4 levels of 32 affine steps of width 512",
)
_add(
    "glow_imagenet32",
    66_077_424,
    GlowConfig(num_steps=48),
    _IMAGENET32,
    dataclasses.replace(_GLOW_PAPER, epochs=70),
    "Glow on ImageNet at 32 x 32: the paper's 3 levels of 48 affine steps",
    4.09,
)
_add(
    "glow_imagenet64",
    111_080_400,
    GlowConfig(num_steps=48, num_levels=4),
    _IMAGENET64,
    dataclasses.replace(_GLOW_PAPER, epochs=70, batch_size=128),
    "Glow on ImageNet at 64 x 64: the paper's 4 levels of 48 affine steps",
    3.81,
)
_add(
    "glow_celebahq256",
    168_785_808,
    GlowConfig(num_levels=6, coupling="additive", n_bits=5),
    _CELEBAHQ256,
    dataclasses.replace(_GLOW_PAPER, epochs=1000, batch_size=40),
    "Glow on CelebA-HQ at 256 x 256, 5 bits: the paper's 6 levels of additive steps",
    1.03,
)
