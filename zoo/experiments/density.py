"""Flows on the density benchmarks: five tables, patches of images, MNIST's logits.

RealNVP and MAF have Papamakarios et al. 2017's settings (arXiv 1705.07057, appendix D:
10 layers, two hidden layers, Adam at 1e-4, batches of 100), but RealNVP an ActNorm for
its batch normalization, and the weight decay is decoupled. The spline flows have Durkan
et al. 2019's (arXiv 1906.04032, appendix B) without dropout, Glow their networks. None
stops early: the best checkpoint counts. Reference figures are test log-likelihoods in
nats, of the 10-layer models, of RQ-NSF (C), and of Glow in Grathwohl et al.
2018 (arXiv 1810.01367, table 2).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.model_config import (
    GlowDenseConfig,
    MAFConfig,
    NSFConfig,
    RealNVPConfig,
)
from tfflows.zoo.registry import register


class _Table(NamedTuple):
    """One of the five tables, and what the papers chose for it."""

    size: int
    units: int
    activation: str
    nsf_steps: int
    nsf_width: int
    nsf_blocks: int
    nsf_bins: int
    nsf_epochs: int  # 400,000 steps of 512 rows; MINIBOONE 200,000 of 128
    text: str
    references: tuple[float, float, float, float]  # RealNVP, MAF, NSF, Glow


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
_MAF_TRAINER = TrainerConfig(
    epochs=300,
    batch_size=100,
    learning_rate=1e-4,
    schedule="constant",
    weight_decay=1e-6,
)


def _models(name: str) -> dict[str, tuple[ModelConfig, TrainerConfig]]:
    table = _TABLES[name]
    small = name == "miniboone"
    maf_units = (table.units,) * 2
    nsf_units = (table.nsf_width,) * table.nsf_blocks
    nsf_trainer = TrainerConfig(
        epochs=table.nsf_epochs,
        batch_size=128 if small else 512,
        learning_rate=3e-4 if small else 5e-4,
        clip_norm=5.0,
    )
    nsf = NSFConfig(
        num_steps=table.nsf_steps, hidden_units=nsf_units, num_bins=table.nsf_bins
    )
    maf = MAFConfig(10, maf_units, table.activation, False, "exp", "batch")
    realnvp = RealNVPConfig(10, maf_units, log_scale="exp")
    return {
        "realnvp": (realnvp, _MAF_TRAINER),
        "maf": (maf, _MAF_TRAINER),
        "nsf": (nsf, nsf_trainer),
        "glow": (GlowDenseConfig(10, nsf_units, "resnet"), nsf_trainer),
    }


# 63-D patches and 784-D logits: models of a size for two CPU cores.
_IMAGES = {
    "cifar10_patches": DataConfig(name="cifar10_patches", event_shape=(63,)),
    "mnist_logit": DataConfig(name="logit:mnist", event_shape=(784,)),
}
_IMAGE_TRAINER = TrainerConfig(
    epochs=20, batch_size=256, warmup_steps=200, clip_norm=100.0
)
_LEARNING_RATES = {"cifar10_patches": 2e-3, "mnist_logit": 3e-3}
_IMAGE_MODELS: dict[str, dict[str, ModelConfig]] = {
    "cifar10_patches": {
        "realnvp": RealNVPConfig(10, (256, 256), standardize=True),
        "maf": MAFConfig(5, (256, 256), normalization="batch", standardize=True),
        "nsf": NSFConfig(num_steps=5, hidden_units=(128,), standardize=True),
    },
    "mnist_logit": {
        "realnvp": RealNVPConfig(6, (256, 256), standardize=True),
        "maf": MAFConfig(3, (256, 256), normalization="batch", standardize=True),
        # Matrices of 784 x 784 would take most of the time.
        "nsf": NSFConfig(
            num_steps=4,
            hidden_units=(128,),
            num_bins=4,
            bound=5.0,
            permutation="shuffle",
            standardize=True,
        ),
    },
}
_PARAMETERS = {
    "power": {"realnvp": 111_180, "maf": 120_240, "nsf": 2_819_646, "glow": 2_657_820},
    "gas": {"realnvp": 114_240, "maf": 126_320, "nsf": 2_881_624, "glow": 2_665_840},
    "hepmass": {
        "realnvp": 2_793_590,
        "maf": 2_955_080,
        "nsf": 1_350_641,
        "glow": 377_530,
    },
    "miniboone": {
        "realnvp": 2_963_210,
        "maf": 3_293_880,
        "nsf": 128_359,
        "glow": 62_030,
    },
    "bsds300": {
        "realnvp": 11_475_810,
        "maf": 12_444_120,
        "nsf": 2_724_629,
        "glow": 494_710,
    },
    "cifar10_patches": {"realnvp": 904_290, "maf": 573_420, "nsf": 684_134},
    "mnist_logit": {"realnvp": 2_216_736, "maf": 2_013_888, "nsf": 2_558_304},
}


def _table_experiment(family: str, name: str) -> ExperimentConfig:
    table = _TABLES[name]
    model, trainer = _models(name)[family]
    figure = dict(zip(("realnvp", "maf", "nsf", "glow"), table.references, strict=True))
    return ExperimentConfig(
        name=f"{family}_{name}",
        model=model,
        data=DataConfig(name=name, event_shape=(table.size,)),
        trainer=trainer,
        description=f"{model.family} on {table.text}, a table of the MAF paper",
        reference={"log_likelihood": figure[family]},
    )


def _image_experiment(family: str, name: str) -> ExperimentConfig:
    text = {
        "cifar10_patches": "63-D patches of CIFAR-10",
        "mnist_logit": "MNIST's logits",
    }
    trainer = dataclasses.replace(
        _IMAGE_TRAINER,
        learning_rate=_LEARNING_RATES[name],
        jit_compile=True,  # a step of splines takes half of the time
    )
    return ExperimentConfig(
        name=f"{family}_{name}",
        model=_IMAGE_MODELS[name][family],
        data=_IMAGES[name],
        trainer=trainer,
        description=f"{family} on {text[name]} for two CPU cores",
    )


for _name, _sizes in _PARAMETERS.items():
    for _family, _size in _sizes.items():
        _make = _table_experiment if _name in _TABLES else _image_experiment
        register(f"{_family}_{_name}", parameters=_size)(
            functools.partial(_make, _family, _name)
        )
