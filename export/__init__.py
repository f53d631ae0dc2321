"""Export of trained models to TensorFlow Serving.

tfflows.export.export_saved_model(flow, "exported/mine")
"""

if __name__ != "tfflows.export":
    raise ImportError(
        f"expected this package to be imported as tfflows.export, got {__name__}: "
        "a second copy would have a registry of its own; use 'import tfflows.export'"
    )

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfflows.export.converting.converter import convert_saved_model
    from tfflows.export.errors import ExportError
    from tfflows.export.writing.deployment import write_deployment
    from tfflows.export.writing.lint import Finding, lint
    from tfflows.export.writing.writer import export_saved_model
    from tfflows.provenance import Provenance

# Imported on first use: programs read their flags before they import TensorFlow.
_MODULES = {
    "ExportError": "tfflows.export.errors",
    "Finding": "tfflows.export.writing.lint",
    "Provenance": "tfflows.provenance",
    "convert_saved_model": "tfflows.export.converting.converter",
    "export_saved_model": "tfflows.export.writing.writer",
    "lint": "tfflows.export.writing.lint",
    "write_deployment": "tfflows.export.writing.deployment",
}

__all__ = [
    "ExportError",
    "Finding",
    "Provenance",
    "convert_saved_model",
    "export_saved_model",
    "lint",
    "write_deployment",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'tfflows.export' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
