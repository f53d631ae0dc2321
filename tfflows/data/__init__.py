"""Data sets as `tf.data` pipelines: built-in, from TFDS, or the user's own files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfflows.data.registry import list_datasets, load

if TYPE_CHECKING:
    from tfflows.data import circular, potentials, simulators, toy
    from tfflows.data.source import DataSource

__all__ = [
    "DataSource",
    "circular",
    "list_datasets",
    "load",
    "potentials",
    "simulators",
    "toy",
]


# The table of names is read by programs that have not imported TensorFlow yet.
def __getattr__(name: str) -> Any:
    if name == "DataSource":
        return importlib.import_module("tfflows.data.source").DataSource
    if name in __all__:
        return importlib.import_module(f"tfflows.data.{name}")
    raise AttributeError(f"module 'tfflows.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
