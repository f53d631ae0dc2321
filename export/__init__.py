"""Export of trained models to TensorFlow Serving.

tfflows.export.export_saved_model(flow, "exported/mine")
"""

if __name__ != "tfflows.export":
    raise ImportError(
        f"expected this package to be imported as tfflows.export, got {__name__}: "
        "a second copy would have a registry of its own; use 'import tfflows.export'"
    )

from tfflows.export.converting.converter import convert_saved_model
from tfflows.export.errors import ExportError
from tfflows.export.writing.deployment import write_deployment
from tfflows.export.writing.lint import Finding, lint
from tfflows.export.writing.writer import export_saved_model
from tfflows.provenance import Provenance

__all__ = [
    "ExportError",
    "Finding",
    "Provenance",
    "convert_saved_model",
    "export_saved_model",
    "lint",
    "write_deployment",
]
