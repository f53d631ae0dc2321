"""Spline flows of angles, on toys whose density is known."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfflows.zoo.experiments.datasets import ANGLES
from tfflows.zoo.experiments.toy import TOY_TRAINER
from tfflows.zoo.registry import add

_NSF: dict[str, Any] = {"num_steps": 6, "hidden_units": (64,), "num_bins": 16}
_TRAINER = dataclasses.replace(TOY_TRAINER, epochs=30)
_TOYS = {
    "von_mises": ((True, True), "two angles around several directions"),
    "cylinder": ((True, False), "an angle and a real number that depends on it"),
}
_STRUCTURES = {
    "nsf": ("coupling", "spline couplings of the circle"),
    "nsf_ar": ("autoregressive", "autoregressive splines of the circle"),
}
for _title, (_structure, _what) in _STRUCTURES.items():
    for _toy, (_circular, _text) in _TOYS.items():
        add(
            f"{_title}_{_toy}",
            "nsf",
            structure=_structure,
            circular=_circular,
            **_NSF,
            data=ANGLES[_toy],
            trainer=_TRAINER,
            description=f"{_what} on {_text}",
        )
