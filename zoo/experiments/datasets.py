"""Data and reference figures that several experiments share."""

from __future__ import annotations

import math

from tfflows.zoo.config import DataConfig

DIGITS = DataConfig(name="digits", event_shape=(8, 8, 1), levels=17)
MNIST = DataConfig(name="mnist", event_shape=(28, 28, 1), levels=256)
CIFAR10 = DataConfig(name="cifar10", event_shape=(32, 32, 3), levels=256)
IMAGENET32 = DataConfig(
    name="downsampled_imagenet/32x32", event_shape=(32, 32, 3), levels=256
)
IMAGENET64 = DataConfig(
    name="downsampled_imagenet/64x64", event_shape=(64, 64, 3), levels=256
)
CELEBA64 = DataConfig(name="celeba64", event_shape=(64, 64, 3), levels=256)
CELEBAHQ256 = DataConfig(name="celeb_a_hq/256", event_shape=(256, 256, 3), levels=256)

# Bits/dim of the baselines that `tfflows.zoo.demo` computes.
DIGITS_BASELINES = {
    "bits_per_dim of a full-covariance Gaussian": 2.97,
    "bits_per_dim of uniform levels": 4.087,
}

TOYS = {
    name: DataConfig(name=name, event_shape=(2,))
    for name in (
        "two_moons",
        "rings",
        "eight_gaussians",
        "three_gaussians",
        "checkerboard",
    )
}
# No model gets below the entropy; "kl" of tfflows-evaluate is the distance to it.
TOY_REFERENCE = {"checkerboard": {"entropy in nats": math.log(32)}}
