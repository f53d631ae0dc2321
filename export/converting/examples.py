"""Makes example inputs for an export on disk from its own samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.export.errors import ExportError
from tfflows.export.flow_json import read_description

Arrays = dict[str, np.ndarray]

ROWS = 3


def example_inputs(
    saved_model: Path, functions: Mapping[str, Any], signature: str
) -> Arrays:
    """Returns three rows for each input of a signature.

    Args:
      saved_model: The folder of the export.
      functions: Its signatures, loaded by TensorFlow.
      signature: Name of the signature.

    Returns:
      Arrays by name. Data are samples; integer data are rounded down.

    Raises:
      ExportError: If the export has no `sample` or no description.
    """
    description = _description(saved_model)
    rng = np.random.default_rng(0)
    seeds = np.arange(2 * ROWS, dtype=np.int32).reshape(ROWS, 2)
    values: Arrays = {
        "seed": seeds,
        "temperature": np.ones(ROWS, np.float32),
        "z": rng.normal(size=(ROWS, description["latent_dim"] or 0)),
    }
    if context := description["context"]:
        sizes = [size or 1 for size in context["shape"]]
        values["context"] = np.zeros((ROWS, *sizes), context["dtype"])
    if "x" in _specs(functions[signature]):
        values["x"] = _data(functions, values, description["levels"])
    return _cast(functions[signature], values)


def _description(saved_model: Path) -> dict[str, Any]:
    try:
        return read_description(saved_model)
    except (OSError, ValueError) as error:
        raise ExportError(
            f"expected one version of an export of tfflows in {saved_model}: {error}"
        ) from error


def _data(
    functions: Mapping[str, Any], values: Arrays, levels: int | None
) -> np.ndarray:
    if "sample" not in functions:
        raise ExportError(
            "expected an export with the signature sample, whose samples the files are "
            "tried on: take one without split"
        )
    inputs = _cast(functions["sample"], values)
    outputs = functions["sample"](**{k: tf.constant(v) for k, v in inputs.items()})
    x = outputs["x"].numpy()
    return x if levels is None else np.clip(np.floor(x), 0, levels - 1)


def _cast(function: Any, values: Arrays) -> Arrays:
    return {
        name: np.asarray(values[name], spec.dtype.as_numpy_dtype)
        for name, spec in _specs(function).items()
    }


def _specs(function: Any) -> Mapping[str, tf.TensorSpec]:
    return function.structured_input_signature[1]
