"""Data and reference figures that several experiments share."""

from __future__ import annotations

import math

from tfflows.zoo.config import DataConfig
from tfflows.zoo.reference import Reference

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

_BASELINE = "python -m tfflows.zoo.demo: "
DIGITS_BASELINES = (
    Reference(
        "bits_per_dim", 2.97, "bits/dim", f"{_BASELINE}a full-covariance Gaussian"
    ),
    Reference("bits_per_dim", 4.087, "bits/dim", f"{_BASELINE}uniform levels"),
)

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
ANGLES = {
    name: DataConfig(name=name, event_shape=(2,)) for name in ("von_mises", "cylinder")
}
# No model gets below the entropy; "kl" of tfflows-evaluate is the distance to it.
TOY_REFERENCES = {
    "checkerboard": (
        Reference("entropy", math.log(32), "nats", "closed form: a lower bound"),
    )
}
