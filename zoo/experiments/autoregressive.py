"""MAF, IAF and neural spline flows on toys, images and a user's own table."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.config import DataConfig, TrainerConfig
from tfflows.zoo.experiments.datasets import (
    DIGITS,
    DIGITS_BASELINES,
    MNIST,
    TOY_REFERENCES,
    TOYS,
)
from tfflows.zoo.experiments.tables import TABLE_TRAINER
from tfflows.zoo.experiments.toy import TOY_TRAINER
from tfflows.zoo.registry import add

# For each title: the family, fixed arguments, and the description.
_MODELS: dict[str, tuple[str, dict[str, Any], str]] = {
    "maf": ("maf", {}, "masked autoregressive flow"),
    "iaf": (
        "iaf",
        {},
        "inverse autoregressive flow (a training step goes element by element)",
    ),
    "nsf": ("nsf", {}, "neural spline flow of couplings"),
    "nsf_ar": (
        "nsf",
        {"structure": "autoregressive"},
        "autoregressive neural spline flow",
    ),
}


def _add(title: str, data_name: str, text: str, **row: Any) -> None:
    family, fixed, what = _MODELS[title]
    add(f"{title}_{data_name}", family, description=f"{what} on {text}", **fixed, **row)


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
# The logit's alpha for MNIST is that of Papamakarios et al.
_MNIST_MAF: dict[str, Any] = {"hidden_units": (1024, 1024), "logit_alpha": 1e-6}
_MNIST_NSF: dict[str, Any] = {
    "hidden_units": (256, 256),
    "logit_alpha": 1e-6,
    "permutation": "shuffle",
    "standardize": True,
}
for _toy, _data in TOYS.items():
    _row: dict[str, Any] = {"data": _data, "references": TOY_REFERENCES.get(_toy, ())}
    _text = f"the 2-D density {_toy}"
    _shorter = dataclasses.replace(TOY_TRAINER, epochs=30)
    for _title in ("maf", "iaf"):
        _add(_title, _toy, _text, **_TOY_MAF, **_row, trainer=TOY_TRAINER)
    for _title in ("nsf", "nsf_ar"):
        _add(_title, _toy, _text, **_TOY_NSF, **_row, trainer=_shorter)

_row = {
    "text": "scikit-learn's 8x8 digits, 17 grey levels",
    "data": DIGITS,
    "trainer": TrainerConfig(
        epochs=80, batch_size=64, learning_rate=2e-3, weight_decay=2.0, clip_norm=50.0
    ),
    "references": DIGITS_BASELINES,
}
_add("maf", "digits", **_DIGITS_MAF, **_row)
_add("iaf", "digits", **_DIGITS_MAF, **_row)
_add("nsf", "digits", **_DIGITS_NSF, **_row)
_add("nsf_ar", "digits", **_DIGITS_NSF, **_row)

_row = {
    "text": "MNIST",
    "data": MNIST,
    "trainer": TrainerConfig(
        epochs=100, batch_size=100, learning_rate=5e-4, clip_norm=100.0
    ),
}
_add("maf", "mnist", **_MNIST_MAF, normalization="batch", **_row)
_add("iaf", "mnist", **_MNIST_MAF, **_row)
_add("nsf", "mnist", **_MNIST_NSF, **_row)
_add("nsf_ar", "mnist", **_MNIST_NSF, **_row)

_row = {
    "text": "your own table: --dataset=csv:mine.csv",
    "data": DataConfig(),
    "trainer": TABLE_TRAINER,
    "standardize": True,
}
_add("maf", "table", normalization="batch", **_row)
_add("iaf", "table", normalization="actnorm", **_row)
_add("nsf", "table", **_row)
_add("nsf_ar", "table", num_steps=5, **_row)
