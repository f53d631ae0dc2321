"""Tries an export before it appears: verifies it and runs its warm-up requests."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfflows.export.c_api import find_library
from tfflows.export.c_api_client import CApiWorker
from tfflows.export.errors import ExportError
from tfflows.export.writing.endpoints import Endpoint
from tfflows.export.writing.verification import Verification
from tfflows.export.writing.warmup import (
    batch_sizes,
    rows_of,
    warmup_record,
    write_warmup,
)
from tfflows.fitting.solver_errors import warn_if_coarse

_NOT_BATCHABLE = "sample_n"


@contextlib.contextmanager
def open_worker(xla: bool = False) -> Iterator[CApiWorker | None]:
    """Returns a process that runs exports, or None with a warning without a C API.

    Args:
      xla: Whether exports may be compiled by XLA.
    """
    try:
        find_library()
    except OSError as error:
        warnings.warn(
            f"the export is not verified, and has no warm-up requests: {error}",
            stacklevel=4,
        )
        yield None
        return
    with CApiWorker(xla=xla) as worker:
        yield worker


def try_out(
    model: keras.Model,
    endpoints: Mapping[str, Endpoint],
    description: Mapping[str, Any],
    exports: Mapping[Path, Sequence[str]],
    xla: bool = False,
) -> None:
    """Verifies SavedModels of a model, and writes their warm-up requests.

    Args:
      model: The live model.
      endpoints: Its signatures.
      description: `tfflows.export.writing.description.describe` of the model.
      exports: The signatures of each SavedModel by its folder, the default first.
      xla: Whether the exports may be compiled by XLA.

    Raises:
      ExportError: If an answer differs from the model's.
    """
    places = {name: path for path, names in exports.items() for name in names}
    with open_worker(xla) as worker:
        if worker is None:
            return

        def ask(
            path: Path, name: str, inputs: Mapping[str, np.ndarray]
        ) -> dict[str, np.ndarray]:
            try:
                return worker.run(path, name, inputs)
            except RuntimeError as error:  # TensorFlow's, or the end of the worker
                raise ExportError(
                    f"expected an answer of the export's signature {name}, got: {error}"
                ) from error

        verification = Verification(
            *(model, endpoints, description),
            served=lambda name, inputs: ask(places[name], name, inputs),
        )
        verification.run()
        if "log_prob" in endpoints:
            examples = verification.examples.inputs("log_prob")
            warn_if_coarse(model, examples, f"the export of {model.name}")
        for path, names in exports.items():
            records = []
            for name in (*names, "serving_default"):
                shown = names[0] if name == "serving_default" else name
                if shown == _NOT_BATCHABLE:
                    continue
                inputs = verification.examples.inputs(shown)
                for size in batch_sizes(inputs):
                    batch = rows_of(inputs, size)
                    ask(path, name, batch)
                    records.append(warmup_record(description["model"], name, batch))
            write_warmup(path, records)
