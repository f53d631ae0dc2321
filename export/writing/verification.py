"""Compares an export with its model before anyone can load it.

The export runs in another process through TensorFlow Serving's loader, with XLA
disabled unless the export asks for it. Each check therefore compares two processes, in
which equal seeds must give equal samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tfflows.export.errors import ExportError
from tfflows.export.writing.endpoints import Endpoint
from tfflows.export.writing.examples import ROWS, Examples

Served = Callable[[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]]
Arrays = Mapping[str, np.ndarray]

# Tolerance relative to the value, the dimensions (nats) or the output's range.
_TOLERANCE = 1e-5
# Gradients sum many terms, and x -> z -> x magnifies float32's rounding.
_SCORE_TOLERANCE = 1e-4
_ROUND_TRIP_TOLERANCE = 1e-3
_SUMS = ("log_prob", "log_det_jacobian", "elbo", "reconstruction", "kl")
# Integers out: rounding decides between two levels if a float is on the border.
_MAY_ROUND = 0.01


class Verification:
    """The checks of one export.

    Args:
      model: The live model.
      endpoints: Its signatures.
      description: `tfflows.export.writing.description.describe` of the model.
      served: Function of a signature and its inputs that returns the export's outputs.
    """

    def __init__(
        self,
        model: keras.Model,
        endpoints: Mapping[str, Endpoint],
        description: Mapping[str, Any],
        served: Served,
    ) -> None:
        self.examples = Examples(endpoints, description)
        self._model, self._served = model, served
        self._names, self._levels = list(endpoints), description["levels"]
        self._dims = int(np.prod(description["event_shape"]))
        table = description.get("table")
        self._draws_numbers = not table or any(c["kind"] == "real" for c in table)
        noise = getattr(model, "dequantization", None)
        self._rounds = self._levels and (
            description["kind"] == "FlowVAE"
            or (noise is not None and noise.decodes_integers)
        )

    def run(self) -> None:
        """Runs all checks.

        Raises:
          ExportError: If a check fails.
        """
        for name in self._names:
            self._check_answers(name)
        self._check_seeds()
        if {"encode", "log_prob"} <= set(self._names):
            self._check_round_trips()
        if {"log_prob", "sample"} <= set(self._names):
            self._check_density_of_samples()

    def _check_answers(self, name: str) -> None:
        """Checks that answers equal the live model's, alone and in a batch."""
        inputs = self.examples.inputs(name)
        # Denoising is a step along a gradient.
        tolerance = _SCORE_TOLERANCE if name == "generate" else None
        self._compare(
            f"{name} as the live model answers",
            *(self._served(name, inputs), self.examples.live(name)),
            tolerance,
        )
        if name == "sample_n":
            return
        # Join requests of one and two rows, and pad them with the first, as a server
        # does.
        joined = {k: np.concatenate([v, v[:1]]) for k, v in inputs.items()}
        together = self._served(name, joined)
        for rows in (slice(0, 1), slice(1, ROWS)):
            alone = self._served(name, {k: v[rows] for k, v in inputs.items()})
            self._compare(
                f"{name} whoever shares the batch",
                *({k: v[rows] for k, v in together.items()}, alone),
                tolerance,
            )

    def _check_seeds(self) -> None:
        """Checks that different seeds give different samples."""
        if not self._draws_numbers:
            return  # few categories may well be drawn twice
        values = [v.reshape(ROWS, -1) for v in self._drawn().values()]
        rows = np.concatenate(values, axis=1)
        if len(np.unique(rows, axis=0)) < ROWS:
            raise ExportError(
                "expected different samples for different seeds, got equal ones; "
                "is the base a distribution of one point?"
            )

    def _check_round_trips(self) -> None:
        inputs = self.examples.inputs("encode")
        x, given = inputs["x"], _context(inputs)
        z = self._served("encode", inputs)["z"]
        back = self._served("decode", {"z": z, **given})
        what, tolerance = "decode(encode(x)) = x", _ROUND_TRIP_TOLERANCE
        x = self._binned(x.astype(back["x"].dtype))
        self._compare(what, back, {"x": x}, tolerance)
        if self._levels is None:
            inputs = self.examples.inputs("decode")
            x = self._served("decode", inputs)["x"]
            back = {"z": self._served("encode", {"x": x, **given})["z"]}
            what = "encode(decode(z)) = z"
            self._compare(what, back, {"z": inputs["z"]}, tolerance)

    def _check_density_of_samples(self) -> None:
        drawn, given = self._drawn(), _context(self.examples.inputs("sample"))
        if self._levels is None:
            density = self._served("log_prob", {"x": drawn["x"], **given})["log_prob"]
        else:  # the sample is y = x + u, for which no signature takes u
            y = (drawn["x"] / self._bin_width).astype(drawn["x"].dtype)
            density = self._model.distribution.log_prob(y, **given).numpy()
        self._compare(
            "log_prob(sample) = its log_prob",
            *({"log_prob": drawn["log_prob"]}, {"log_prob": density}),
            _ROUND_TRIP_TOLERANCE,
        )

    def _drawn(self) -> dict[str, np.ndarray]:
        return self._served("sample", self.examples.inputs("sample"))

    @property
    def _bin_width(self) -> int:
        """Returns the number of raw levels that the model merges into one."""
        return 1 if self._levels is None else self._model.dequantization.bin_width

    def _binned(self, x: np.ndarray) -> np.ndarray:
        """Returns raw data as the model receives them."""
        return x if self._bin_width == 1 else x // self._bin_width * self._bin_width

    def _compare(
        self, what: str, found: Arrays, wanted: Arrays, tolerance: float | None = None
    ) -> None:
        for name, value in wanted.items():
            problem = self._difference(name, found[name], value, tolerance)
            if problem:
                raise ExportError(
                    f"expected of the export: {what}; got in output {name} {problem}"
                )

    def _difference(
        self, name: str, found: np.ndarray, wanted: np.ndarray, tolerance: float | None
    ) -> str | None:
        """Returns what is wrong with an output, or None."""
        if found.shape != wanted.shape:
            return f"shape {found.shape} for {wanted.shape}"
        if wanted.dtype.kind != "f":
            same = np.array_equal(found.astype(wanted.dtype), wanted)
            return None if same else f"{found.tolist()} for {wanted.tolist()}"
        if np.isnan(wanted).any() or np.isnan(found).any():
            return "NaN, which is no answer: the model's weights may have diverged"
        if name == "score":
            tolerance = _SCORE_TOLERANCE
        allowed = (tolerance or _TOLERANCE) * self._scale(name, wanted)
        wrong = ~np.isclose(found, wanted, rtol=0.0, atol=allowed)
        share = _MAY_ROUND if name == "x" and self._rounds else 0.0
        if np.mean(wrong) <= share:
            return None
        most = np.max(np.abs(found - wanted)[wrong])
        return f"a difference of {most:.3g}, expected at most {np.max(allowed):.3g}"

    def _scale(self, name: str, wanted: np.ndarray) -> np.ndarray:
        magnitude = np.where(np.isfinite(wanted), np.abs(wanted), 0.0)
        if name in _SUMS:
            return np.maximum(magnitude, self._dims)
        if name == "bits_per_dim":
            return np.maximum(magnitude, 1.0)
        least = self._levels if name == "x" and self._levels else 1e-6
        return np.max(magnitude, initial=least)


def _context(inputs: Arrays) -> dict[str, np.ndarray]:
    return {"context": inputs["context"]} if "context" in inputs else {}
