"""Makes example inputs for a model's signatures from its own samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.backend.compiled import inside
from tfflows.export.writing.endpoints import Endpoint

ROWS = 3
_SET_SIZE = 3  # size of sets given as contexts
_COLUMNAR = "sample_n"


class Examples:
    """Three rows for each input of each signature.

    Data are samples of the model, which resemble real requests. Integer data are
    rounded down.

    Args:
      endpoints: The model's signatures.
      description: `tfflows.export.writing.description.describe` of the model.
    """

    def __init__(
        self, endpoints: Mapping[str, Endpoint], description: Mapping[str, Any]
    ) -> None:
        rng = np.random.default_rng(0)
        self._endpoints = endpoints
        dtype = description["dtype"]
        self._values: dict[str, np.ndarray] = {
            "dummy": np.arange(ROWS, dtype=np.int32),
            "seed": np.arange(2 * ROWS, dtype=np.int32).reshape(ROWS, 2),
            "temperature": np.ones(ROWS, np.float32),
            "guidance": np.linspace(0, 1, ROWS, dtype=np.float32),
            "weight": np.linspace(0, 1, ROWS, dtype=np.float32),
        }
        if description["latent_dim"] is not None:
            z = rng.normal(size=(ROWS, description["latent_dim"]))
            self._values["z"] = z.astype(dtype)
        if description["context"]:
            self._values["context"] = _contexts(description["context"], rng)
        x = self.live("sample")["x"]
        self._values["x"] = _as_data(x, description["levels"])
        self._values |= {"x_a": self._values["x"], "x_b": self._values["x"][::-1]}

    def inputs(self, signature: str) -> dict[str, np.ndarray]:
        """Returns an array for each input of a signature, in the signature's order."""
        specs = self._endpoints[signature].inputs
        values: dict[str, Any] = {s.name: self._values.get(s.name) for s in specs}
        if signature == _COLUMNAR:
            values = {k: None if v is None else v[0] for k, v in values.items()}
            values["num_samples"] = ROWS
        return {
            spec.name: np.asarray(values[spec.name], spec.dtype.as_numpy_dtype)
            for spec in specs
        }

    def live(self, signature: str) -> dict[str, np.ndarray]:
        """Returns the model's own answers to `inputs`, computed without a trace."""
        inputs = map(tf.constant, self.inputs(signature).values())
        with inside():
            outputs = self._endpoints[signature].function(*inputs)
        return {name: value.numpy() for name, value in outputs.items()}


def _as_data(x: np.ndarray, levels: int | None) -> np.ndarray:
    return x if levels is None else np.clip(np.floor(x), 0, levels - 1)


def _contexts(context: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    sizes = [size or _SET_SIZE for size in context["shape"]]
    shape, dtype = (ROWS, *sizes), np.dtype(context["dtype"])
    if dtype == np.uint8:
        return rng.integers(256, size=shape).astype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    # For other integers only zero is sure to be valid, unless classes are known.
    labels = np.arange(ROWS) % (context["num_classes"] or 1)
    return np.broadcast_to(labels.reshape(-1, *[1] * (len(shape) - 1)), shape)
