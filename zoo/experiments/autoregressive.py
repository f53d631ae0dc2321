"""MAF, IAF and neural spline flows on toys, images and a user's own table."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from tfflows.data.toy import TOYS
from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.experiments.images import DIGITS, DIGITS_BASELINES, MNIST
from tfflows.zoo.experiments.tables import TABLE_TRAINER
from tfflows.zoo.experiments.toy import TOY_REFERENCE, TOY_TRAINER
from tfflows.zoo.model_config import IAFConfig, MAFConfig, NSFConfig
from tfflows.zoo.registry import register

_TITLES = {
    "maf": "masked autoregressive flow",
    "iaf": "inverse autoregressive flow (a training step goes element by element)",
    "nsf": "neural spline flow of couplings",
    "nsf_ar": "autoregressive neural spline flow",
}
# The toys' points reach 4.5.
_TOY_MAF: dict[str, Any] = {"num_steps": 10, "hidden_units": (64, 64)}
_TOY_NSF: dict[str, Any] = {
    "num_steps": 6,
    "hidden_units": (64,),
    "num_bins": 16,
    "bound": 5.0,
}
_DIGITS_MAF: dict[str, Any] = {"hidden_units": (128,), "logit_alpha": 0.01}
_DIGITS_NSF: dict[str, Any] = {
    "num_steps": 4,
    "hidden_units": (64,),
    "logit_alpha": 0.01,
    "bound": 6.0,
    "permutation": "shuffle",
}
# The logit of MNIST's pixels has Papamakarios et al.'s alpha.
_MNIST_MAF: dict[str, Any] = {"hidden_units": (1024, 1024), "logit_alpha": 1e-6}
_MNIST_NSF: dict[str, Any] = {
    "hidden_units": (256, 256),
    "logit_alpha": 1e-6,
    "permutation": "shuffle",
    "standardize": True,
}
# By data and name: the model, and its trainable parameters.
_MODELS: dict[str, dict[str, tuple[ModelConfig, int | None]]] = {
    "toy": {
        "maf": (MAFConfig(**_TOY_MAF), 46_120),
        "iaf": (IAFConfig(**_TOY_MAF), 46_120),
    },
    "toy_spline": {
        "nsf": (NSFConfig(**_TOY_NSF), 69_046),
        "nsf_ar": (NSFConfig(structure="autoregressive", **_TOY_NSF), 37_840),
    },
    "digits": {
        "maf": (MAFConfig(**_DIGITS_MAF), 124_160),
        "iaf": (IAFConfig(**_DIGITS_MAF), 124_160),
        "nsf": (NSFConfig(**_DIGITS_NSF), 233_088),
        "nsf_ar": (NSFConfig(structure="autoregressive", **_DIGITS_NSF), 399_360),
    },
    "mnist": {
        "maf": (MAFConfig(**_MNIST_MAF, normalization="batch"), 17_311_040),
        "iaf": (IAFConfig(**_MNIST_MAF), 17_303_200),
        "nsf": (NSFConfig(**_MNIST_NSF), 21_447_104),
        "nsf_ar": (NSFConfig(structure="autoregressive", **_MNIST_NSF), 39_207_808),
    },
    "table": {
        "maf": (MAFConfig(standardize=True, normalization="batch"), None),
        "iaf": (IAFConfig(standardize=True, normalization="actnorm"), None),
        "nsf": (NSFConfig(standardize=True), None),
        "nsf_ar": (
            NSFConfig(structure="autoregressive", num_steps=5, standardize=True),
            None,
        ),
    },
}
_TRAINERS: dict[str, Any] = {
    "toy": TOY_TRAINER,
    "toy_spline": dataclasses.replace(TOY_TRAINER, epochs=30),
    "digits": TrainerConfig(
        epochs=80, batch_size=64, learning_rate=2e-3, weight_decay=2.0, clip_norm=50.0
    ),
    "mnist": TrainerConfig(
        epochs=100, batch_size=100, learning_rate=5e-4, clip_norm=100.0
    ),
    "table": TABLE_TRAINER,
}
_DATA: dict[str, Any] = {
    "digits": (DIGITS, "scikit-learn's 8x8 digits, 17 grey levels"),
    "mnist": (MNIST, "MNIST"),
    "table": (DataConfig(), "your own table: --dataset=csv:mine.csv"),
}
_REFERENCES: dict[str, Any] = {"digits": DIGITS_BASELINES, **TOY_REFERENCE}


def _experiment(
    title: str, model: ModelConfig, kind: str, name: str
) -> ExperimentConfig:
    data, text = _DATA.get(
        name, (DataConfig(name=name, event_shape=(2,)), f"the 2-D density {name}")
    )
    return ExperimentConfig(
        name=f"{title}_{name}",
        model=model,
        data=data,
        trainer=_TRAINERS[kind],
        description=f"{_TITLES[title]} on {text}",
        reference=_REFERENCES.get(name, {}),
    )


for _kind, _models in _MODELS.items():
    for _title, (_model, _parameters) in _models.items():
        for _name in TOYS if _kind.startswith("toy") else [_kind]:
            register(f"{_title}_{_name}", parameters=_parameters)(
                functools.partial(_experiment, _title, _model, _kind, _name)
            )
