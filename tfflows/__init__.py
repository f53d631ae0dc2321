"""Normalizing flows for TensorFlow and Keras 3."""

from __future__ import annotations

import importlib
from typing import Any

from tfflows import (
    bijectors,
    data,
    distributions,
    metrics,
    models,
    networks,
    preprocessing,
    training,
)
from tfflows.bijectors import FlowStep, InverseNotAvailable
from tfflows.models import Flow, FlowVAE, ReverseKL

__version__ = "0.1.0"

# Imported on first use: they stand above the library, or need more than it does.
_LAZY = ("export", "latent", "sklearn", "zoo")

__all__ = [
    "Flow",
    "FlowStep",
    "FlowVAE",
    "InverseNotAvailable",
    "ReverseKL",
    "bijectors",
    "data",
    "distributions",
    "export",
    "latent",
    "metrics",
    "models",
    "networks",
    "preprocessing",
    "sklearn",
    "training",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"tfflows.{name}")
    raise AttributeError(f"module 'tfflows' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
