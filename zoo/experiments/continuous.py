"""Continuous flows: FFJORD and flow matching, on toys and images.

The networks are smaller than Grathwohl et al. 2018's and Lipman et al. 2022's, and so
are the trainings: all but MNIST's take minutes on two CPU cores.
"""

from __future__ import annotations

from typing import Any

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import (
    DIGITS,
    DIGITS_BASELINES,
    MNIST,
    TOY_REFERENCES,
    TOYS,
)
from tfflows.zoo.registry import add

_FFJORD_TOY = TrainerConfig(
    epochs=30, batch_size=512, learning_rate=5e-3, clip_norm=5.0
)
_MATCHING_TOY = TrainerConfig(epochs=150, batch_size=512, learning_rate=2e-3, ema=0.999)

for _toy in ("eight_gaussians", "checkerboard", "two_moons", "rings"):
    add(
        f"ffjord_{_toy}",
        "ffjord",
        hidden_units=(64, 64, 64),
        num_steps=6,
        data=TOYS[_toy],
        trainer=_FFJORD_TOY,
        description=f"FFJORD with an exact trace on the 2-D density {_toy}",
        references=TOY_REFERENCES.get(_toy, ()),
    )
    add(
        f"flow_matching_{_toy}",
        "flow_matching",
        hidden_units=(128, 128, 128, 128),
        activation="swish",
        num_steps=40,
        data=TOYS[_toy],
        trainer=_MATCHING_TOY,
        description=f"flow matching on straight paths, on the 2-D density {_toy}",
        references=TOY_REFERENCES.get(_toy, ()),
    )

_IMAGES: dict[str, Any] = {"network": "unet", "divergence": "hutchinson"}
_DIGITS_TRAINER = TrainerConfig(
    epochs=60, batch_size=64, learning_rate=2e-3, warmup_steps=50, clip_norm=50.0
)
add(
    "ffjord_digits",
    "ffjord",
    width=16,
    num_levels=2,
    num_steps=4,
    **_IMAGES,
    data=DIGITS,
    trainer=_DIGITS_TRAINER,
    description="FFJORD of a small U-Net on scikit-learn's 8x8 digits, 17 grey levels",
    references=DIGITS_BASELINES,
)
add(
    "flow_matching_digits",
    "flow_matching",
    width=32,
    num_levels=2,
    path="minibatch_ot",
    standardize=True,
    num_probes=8,
    **_IMAGES,
    data=DIGITS,
    trainer=TrainerConfig(
        epochs=300, batch_size=128, learning_rate=2e-3, warmup_steps=50, ema=0.999
    ),
    description="flow matching of a small U-Net on scikit-learn's 8x8 digits, 17 grey "
    "levels, pairs by minibatch optimal transport",
    references=DIGITS_BASELINES,
)
_MNIST_TRAINER = TrainerConfig(
    epochs=20, batch_size=128, learning_rate=1e-3, warmup_steps=400, clip_norm=50.0
)
add(
    "ffjord_mnist",
    "ffjord",
    width=32,
    num_levels=3,
    num_steps=4,
    logit_alpha=1e-6,
    **_IMAGES,
    data=MNIST,
    trainer=_MNIST_TRAINER,
    description="FFJORD of a small U-Net on MNIST; not trained by us",
)
add(
    "flow_matching_mnist",
    "flow_matching",
    width=32,
    num_levels=3,
    standardize=True,
    **_IMAGES,
    data=MNIST,
    trainer=TrainerConfig(
        epochs=20, batch_size=128, learning_rate=1e-3, warmup_steps=400, ema=0.999
    ),
    description="flow matching of a small U-Net on MNIST; not trained by us",
)
