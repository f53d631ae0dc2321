"""Converts the deterministic signatures of an export to TFLite or ONNX.

Signatures that draw are not converted: a client draws noise and passes it to `decode`.
A file is loaded and compared with the export before it gets its name, because a
converter may succeed and leave a file that no runtime loads. A converted file does not
check values (integers within the levels, finite numbers); its runtime checks shapes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfflows.export.converting import onnx, tflite
from tfflows.export.converting.examples import Arrays, example_inputs
from tfflows.export.errors import ConversionRefusedError, ExportError
from tfflows.export.writing.saved_model_proto import load_saved_model
from tfflows.system import files

CONVERTED = ("log_prob", "encode", "decode")
_TOLERANCE = 1e-4  # relative to an output's largest magnitude, or to 1
_DRAWS = "it draws: send noise of your own through decode"
_POSTERIOR = "it draws from the posterior: ask the SavedModel"
_NOT_CONVERTED = {
    "sample": _DRAWS,
    "sample_n": _DRAWS,
    "elbo": _POSTERIOR,
    "score": "the converters know no gradients: difference log_prob, or ask the "
    "SavedModel",
    "interpolate": "encode both images, mix their latents, and decode",
    "info": "it is made of strings: read assets.extra/flow.json",
}


class Format(NamedTuple):
    """A file format: its ending, and functions that import, make and run it."""

    suffix: str
    require: Callable[[], Any]
    make: Callable[[Path, str, Any], bytes]
    run: Callable[[Path, Arrays], Arrays]


FORMATS = {
    "tflite": Format(".tflite", lambda: None, tflite.make, tflite.run),
    "onnx": Format(".onnx", onnx.require, onnx.make, onnx.run),
}


class Conversion(NamedTuple):
    """The files by signature, and the reasons why other signatures have none."""

    files: dict[str, Path]
    refused: dict[str, str]


def convert_saved_model(
    saved_model: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    file_format: str,
    signatures: Sequence[str] = CONVERTED,
) -> Conversion:
    """Writes `<directory>/<signature>.tflite` or `.onnx`.

    Args:
      saved_model: One version of an export, with all signatures (no `split`).
      directory: Folder for the files; created if missing. Files of the same name are
        replaced.
      file_format: "tflite" or "onnx" (extra `onnx`).
      signatures: Names of signatures to convert, if the export has them.

    Returns:
      The files, and the reason for each signature without one.

    Raises:
      ValueError: If the format is unknown.
      ImportError: If the converter is not installed.
      ExportError: If the folder is no export, or a file and the export disagree.
    """
    if file_format not in FORMATS:
        raise ValueError(f"expected a format of {list(FORMATS)}, got {file_format!r}")
    kind, path = FORMATS[file_format], files.path(saved_model)
    kind.require()
    loaded = load_saved_model(path)
    functions = dict(loaded.signatures)
    refused = {
        name: _NOT_CONVERTED.get(name, "not asked for")
        for name in functions
        if name not in signatures and name != "serving_default"
    }
    directory = files.path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}
    with files.scratch(directory) as temporary:
        for name in (name for name in signatures if name in functions):
            draft = temporary / f"{name}{kind.suffix}"
            try:
                draft.write_bytes(kind.make(path, name, functions[name]))
            except ConversionRefusedError as error:
                draws = "seed" in functions[name].structured_input_signature[1]
                refused[name] = f"{error}; {_POSTERIOR}" if draws else str(error)
                continue
            inputs = example_inputs(path, functions, name)
            _compare(name, draft, kind, functions[name], inputs)
            made[name] = directory / draft.name
        for place in made.values():
            files.sync(temporary / place.name)
            (temporary / place.name).replace(place)
    return Conversion(made, refused)


def _compare(
    name: str,
    draft: Path,
    kind: Format,
    function: Callable[..., Mapping[str, tf.Tensor]],
    inputs: Arrays,
) -> None:
    """Raises ExportError unless the file gives the same answers as the export."""
    wanted = {key: value.numpy() for key, value in _call(function, inputs).items()}
    try:
        found = kind.run(draft, inputs)
    except Exception as error:  # the file is bad, whatever the error
        raise ExportError(
            f"expected a {kind.suffix} file of {name} that runs, got: {error}"
        ) from error
    if found.keys() != wanted.keys():
        raise ExportError(
            f"expected the outputs {sorted(wanted)} of {name}, got {sorted(found)}"
        )
    for key, value in wanted.items():
        largest = max(1.0, float(np.max(np.abs(value), initial=0)))
        fits = found[key].shape == value.shape
        if not fits or not np.allclose(
            found[key], value, rtol=0, atol=_TOLERANCE * largest
        ):
            raise ExportError(
                f"expected {key} of {name} as the export gives it, within "
                f"{_TOLERANCE * largest:g}, got another from the {kind.suffix} file"
            )


def _call(function: Any, inputs: Arrays) -> Mapping[str, tf.Tensor]:
    return function(**{key: tf.constant(value) for key, value in inputs.items()})
