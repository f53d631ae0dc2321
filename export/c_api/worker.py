"""A process that loads and runs SavedModels, with one JSON line per request.

`tfflows.export.c_api_client.CApiWorker` starts it and sends requests.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

import numpy as np

from .library import CApiError
from .saved_model import SavedModel


def serve(library: str = "", xla: str = "") -> None:
    """Answers JSON lines until the end of the input.

    {"model": folder} asks for the signatures; with "signature", "inputs" and "outputs"
    (paths of .npz files) it runs one. The answer is {"ok": true, ...} or {"ok": false,
    "code": TensorFlow's code or null, "error": text}. A model is loaded once and kept,
    because an exported version does not change. Empty arguments mean the wheel's
    library, and XLA disabled.
    """
    models: dict[str, SavedModel] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), models, library or None, bool(xla))
        except CApiError as error:
            answer = {"ok": False, "code": error.code, "error": error.message}
        except (OSError, ValueError, KeyError) as error:
            answer = {"ok": False, "code": None, "error": repr(error)}
        print(json.dumps(answer), flush=True)


def _answer(
    request: Mapping[str, str],
    models: dict[str, SavedModel],
    library: str | None,
    xla: bool,
) -> dict:
    """Answers one request; `models` keeps the models loaded so far."""
    folder = os.path.abspath(request["model"])
    key = _identity(folder)
    if key not in models:
        models[key] = SavedModel(folder, library, xla)
    if "signature" not in request:
        return {"ok": True, "signatures": models[key].signatures}
    with np.load(request["inputs"]) as arrays:
        outputs = models[key].run(request["signature"], dict(arrays))
    np.savez(request["outputs"], **outputs)  # type: ignore[arg-type]
    return {"ok": True}


def _identity(folder: str) -> str:
    """Returns what stays the same when an export is renamed: its file's identity."""
    try:
        file = os.stat(os.path.join(folder, "saved_model.pb"))
    except OSError:
        return folder  # no SavedModel: loading it will raise
    return f"{file.st_dev} {file.st_ino} {file.st_mtime_ns} {file.st_size}"
