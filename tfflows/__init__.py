"""Normalizing flows for TensorFlow and Keras 3."""

from __future__ import annotations

import importlib
import os
import pathlib
from typing import TYPE_CHECKING, Any

from tfflows.system.garbage import collector_paused
from tfflows.system.programs import is_program

if TYPE_CHECKING:
    from tfflows import (
        bijectors,
        data,
        diagnostics,
        distributions,
        export,
        latent,
        metrics,
        models,
        networks,
        plots,
        preprocessing,
        sklearn,
        training,
        zoo,
    )
    from tfflows.bijectors import FlowStep, InverseNotAvailable
    from tfflows.models import Flow, FlowMatching, FlowVAE, ReverseKL

__version__ = "0.2.0"

_PARTS = (
    "bijectors",
    "data",
    "distributions",
    "families",
    "metrics",
    "models",
    "networks",
    "preprocessing",
    "training",
)
# Imported on first use: they stand above the library, or need more than it does.
_LAZY = ("diagnostics", "export", "latent", "plots", "sklearn", "zoo")
_CLASSES = {
    "Flow": "models",
    "FlowMatching": "models",
    "FlowStep": "bijectors",
    "FlowVAE": "models",
    "InverseNotAvailable": "bijectors",
    "ReverseKL": "models",
}
# What version 0.1.0 had at this place.
_BACKEND = ("autograph", "checkpointing", "checks", "random", "xla")

__all__ = [
    "Flow",
    "FlowMatching",
    "FlowStep",
    "FlowVAE",
    "InverseNotAvailable",
    "ReverseKL",
    "bijectors",
    "data",
    "diagnostics",
    "distributions",
    "export",
    "latent",
    "metrics",
    "models",
    "networks",
    "plots",
    "preprocessing",
    "sklearn",
    "training",
    "zoo",
]


def import_parts() -> None:
    """Imports the library, so that Keras can load each of its classes.

    `import tfflows` does it, but for one of its programs, which reads its flags first.
    """
    with collector_paused():
        # Before TensorFlow, it loads its experimental parts on first use only.
        importlib.import_module("tensorflow_probability")
        _check_backend()
        from tfflows.backend.fork_warning import warn_at_forks

        for part in _PARTS:
            importlib.import_module(f"tfflows.{part}")
        for name, part in _CLASSES.items():
            globals()[name] = getattr(importlib.import_module(f"tfflows.{part}"), name)
    warn_at_forks()


def _check_backend() -> None:
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend == "tensorflow":  # or what Keras' own file says
        backend = importlib.import_module("keras").backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"expected Keras with the backend tensorflow, got {backend!r}: set "
            "KERAS_BACKEND=tensorflow before keras is imported"
        )


def _check_links() -> None:
    for name in ("zoo", "export"):
        if not (pathlib.Path(__file__).parent / name / "__init__.py").exists():
            raise ImportError(
                f"expected tfflows/{name} to be a symbolic link to ../{name}, which "
                "this checkout wrote as a text file; run 'git config core.symlinks "
                "true' and 'git checkout -- tfflows', or install from PyPI or a wheel"
            )


def __getattr__(name: str) -> Any:
    if name in _LAZY or name in _PARTS:
        return importlib.import_module(f"tfflows.{name}")
    if name in _CLASSES:
        return getattr(importlib.import_module(f"tfflows.{_CLASSES[name]}"), name)
    if name in _BACKEND:
        return importlib.import_module(f"tfflows.backend.{name}")
    raise AttributeError(f"module 'tfflows' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


_check_links()
if not is_program():
    import_parts()
