"""Normalizing flows for TensorFlow and Keras 3."""

from __future__ import annotations

import importlib
import pathlib
from typing import TYPE_CHECKING, Any

for _name in ("zoo", "export"):
    if not (pathlib.Path(__file__).parent / _name / "__init__.py").exists():
        raise ImportError(
            f"expected tfflows/{_name} to be a symbolic link to ../{_name}, which this "
            "checkout wrote as a text file; run 'git config core.symlinks true' and "
            "'git checkout -- tfflows', or install from PyPI or a wheel"
        )

from tfflows import (  # noqa: E402
    bijectors,
    data,
    distributions,
    metrics,
    models,
    networks,
    preprocessing,
    training,
)
from tfflows.backend.fork_warning import warn_at_forks  # noqa: E402
from tfflows.bijectors import FlowStep, InverseNotAvailable  # noqa: E402
from tfflows.models import Flow, FlowVAE, ReverseKL  # noqa: E402

if TYPE_CHECKING:
    from tfflows import export, latent, sklearn, zoo

warn_at_forks()

__version__ = "0.1.0"

# Imported on first use: they stand above the library, or need more than it does.
_LAZY = ("export", "latent", "sklearn", "zoo")
# What version 0.1.0 had at this place.
_BACKEND = ("autograph", "checkpointing", "checks", "random", "xla")

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
    if name in _BACKEND:
        return importlib.import_module(f"tfflows.backend.{name}")
    raise AttributeError(f"module 'tfflows' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
