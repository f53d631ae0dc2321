"""Flows on the density benchmarks: five tables, image patches, logits of MNIST.

RealNVP and MAF have the settings of Papamakarios et al. 2017 (arXiv 1705.07057,
appendix D: 10 layers, two hidden layers, Adam at 1e-4, batches of 100), but RealNVP has
ActNorm instead of batch normalization, and the weight decay is decoupled. Spline flows
have the settings of Durkan et al. 2019 (arXiv 1906.04032, appendix B) without dropout,
and Glow has their networks. None stops early: the best checkpoint counts. Reference
figures are test log-likelihoods in nats of the 10-layer models, of RQ-NSF (C), and of
Glow in Grathwohl et al. 2018 (arXiv 1810.01367, table 2).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from tfflows.zoo.config import DataConfig, TrainerConfig
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import add


class _Table(NamedTuple):
    """One of the five tables, and the papers' settings for it."""

    size: int
    units: int
    activation: str
    nsf_steps: int
    nsf_width: int
    nsf_blocks: int
    nsf_bins: int
    nsf_epochs: int  # 400,000 steps of 512 rows; MINIBOONE 200,000 of 128
    text: str
    figures: tuple[float, float, float, float]  # RealNVP, MAF, NSF, Glow


_TABLES = {
    "power": _Table(
        6, 100, "relu", 10, 256, 2, 8, 123, "POWER", (0.17, 0.24, 0.64, 0.17)
    ),
    "gas": _Table(
        8, 100, "tanh", 10, 256, 2, 8, 240, "GAS", (8.33, 10.08, 13.09, 8.15)
    ),
    "hepmass": _Table(
        21, 512, "relu", 20, 128, 1, 8, 650, "HEPMASS", (-18.71, -17.73, -14.75, -18.92)
    ),
    "miniboone": _Table(
        43, 512, "relu", 10, 32, 1, 4, 866, "MINIBOONE", (-13.84, -12.24, -9.67, -11.35)
    ),
    "bsds300": _Table(
        63,
        1024,
        "relu",
        20,
        128,
        1,
        8,
        205,
        "BSDS300",
        (153.28, 154.93, 157.54, 155.07),
    ),
}
_MAF_PAPER = "Papamakarios et al. 2017, arXiv 1705.07057, table 1"
# For each family: where its figures are from, and whether the model is the same.
_SOURCES = {
    "realnvp": (
        f"{_MAF_PAPER}: separate networks for scale and shift, batch normalization",
        False,
    ),
    "maf": (_MAF_PAPER, True),
    "nsf": (
        "Durkan et al. 2019, arXiv 1906.04032, table 1, RQ-NSF (C): with dropout and a "
        "spline on the kept half",
        False,
    ),
    "glow_dense": (
        "Grathwohl et al. 2018, arXiv 1810.01367, table 2: settings not published",
        False,
    ),
}
_MAF_TRAINER = TrainerConfig(
    epochs=300,
    batch_size=100,
    learning_rate=1e-4,
    schedule="constant",
    weight_decay=1e-6,
)


def _add_table(name: str, table: _Table) -> None:
    small = name == "miniboone"
    nsf_trainer = TrainerConfig(
        epochs=table.nsf_epochs,
        batch_size=128 if small else 512,
        learning_rate=3e-4 if small else 5e-4,
        clip_norm=5.0,
    )
    maf_units = (table.units,) * 2
    nsf_units = (table.nsf_width,) * table.nsf_blocks
    rows: dict[str, tuple[TrainerConfig, dict[str, Any]]] = {
        "realnvp": (
            _MAF_TRAINER,
            {"num_couplings": 10, "hidden_units": maf_units, "log_scale": "exp"},
        ),
        "maf": (
            _MAF_TRAINER,
            {
                "num_steps": 10,
                "hidden_units": maf_units,
                "activation": table.activation,
                "log_scale": "exp",
                "normalization": "batch",
            },
        ),
        "nsf": (
            nsf_trainer,
            {
                "num_steps": table.nsf_steps,
                "hidden_units": nsf_units,
                "num_bins": table.nsf_bins,
            },
        ),
        "glow_dense": (
            nsf_trainer,
            {"num_steps": 10, "hidden_units": nsf_units, "network": "resnet"},
        ),
    }
    for (family, (trainer, arguments)), figure in zip(
        rows.items(), table.figures, strict=True
    ):
        add(
            f"{family.removesuffix('_dense')}_{name}",
            family,
            **arguments,
            data=DataConfig(name=name, event_shape=(table.size,)),
            trainer=trainer,
            description=f"{family} on {table.text}, a table of the MAF paper",
            references=(
                Reference("log_likelihood", figure, "nats", *_SOURCES[family]),
            ),
        )


for _name, _table in _TABLES.items():
    _add_table(_name, _table)

# Models on 63-D patches and 784-D logits have a size for two CPU cores.
_PATCHES: dict[str, Any] = {
    "data": DataConfig(name="cifar10_patches", event_shape=(63,)),
    "trainer": TrainerConfig(
        epochs=20,
        batch_size=256,
        learning_rate=2e-3,
        warmup_steps=200,
        clip_norm=100.0,
        jit_compile=True,  # a step of splines takes half the time
    ),
    "standardize": True,
}
_LOGITS: dict[str, Any] = {
    "data": DataConfig(name="logit:mnist", event_shape=(784,)),
    "trainer": dataclasses.replace(_PATCHES["trainer"], learning_rate=3e-3),
    "standardize": True,
}
add(
    "realnvp_cifar10_patches",
    "realnvp",
    num_couplings=10,
    hidden_units=(256, 256),
    description="realnvp on 63-D patches of CIFAR-10 for two CPU cores",
    **_PATCHES,
)
add(
    "maf_cifar10_patches",
    "maf",
    num_steps=5,
    hidden_units=(256, 256),
    normalization="batch",
    description="maf on 63-D patches of CIFAR-10 for two CPU cores",
    **_PATCHES,
)
add(
    "nsf_cifar10_patches",
    "nsf",
    num_steps=5,
    hidden_units=(128,),
    description="nsf on 63-D patches of CIFAR-10 for two CPU cores",
    **_PATCHES,
)
add(
    "realnvp_mnist_logit",
    "realnvp",
    num_couplings=6,
    hidden_units=(256, 256),
    description="realnvp on MNIST's logits for two CPU cores",
    **_LOGITS,
)
add(
    "maf_mnist_logit",
    "maf",
    num_steps=3,
    hidden_units=(256, 256),
    normalization="batch",
    description="maf on MNIST's logits for two CPU cores",
    **_LOGITS,
)
add(
    "nsf_mnist_logit",
    "nsf",
    num_steps=4,
    hidden_units=(128,),
    num_bins=4,
    bound=5.0,
    permutation="shuffle",  # matrices of 784 x 784 would take most of the time
    description="nsf on MNIST's logits for two CPU cores",
    **_LOGITS,
)
