"""The work as users call it, and which library does it; no framework is imported."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from side_by_side.workloads import WORKLOADS, Workload

ROWS = (1, 64, 4096)
BATCH_SIZE = 512
FIT_STEPS = 80
CALLS = [(name, rows) for name in ("log_prob", "sample") for rows in ROWS]
# Their module in `libraries`, by the environment that they need.
OURS = {"tfflows": "tensorflow_calls", "tfp_stock": "tensorflow_calls"}
PEERS = {
    "torch_nflows": "torch_calls",
    "torch_normflows": "torch_calls",
    "torch_zuko": "torch_calls",
    "jax_flowjax": "jax_calls",
    "jax_distrax": "jax_calls",
}
WAYS = ("plain", "compiled")


class Calls(Protocol):
    """A model, called in one way. Each method returns when its result is there."""

    def log_prob(self, rows: int) -> np.ndarray:
        """Log-densities of the first rows of the data."""

    def sample(self, rows: int) -> np.ndarray:
        """As many fresh events."""

    def fit(self, steps: int) -> float:
        """Trains for so many steps; the mean of their losses, in nats an event."""


@dataclasses.dataclass(frozen=True)
class Plain(Workload):
    """W1 on fewer rows, which are soon made: first calls count them, too."""

    num_rows: int = BATCH_SIZE * FIT_STEPS

    def data(self) -> np.ndarray:
        """Correlated normals, float32 `[N, 43]`."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.num_rows, self.dimensions), "float32")
        return x + 0.9 * np.roll(x, 1, axis=1)


def workload(num_rows: int) -> Workload:
    """W1's sizes with so many rows of data."""
    w1 = WORKLOADS["realnvp"]
    fields = {field.name: getattr(w1, field.name) for field in dataclasses.fields(w1)}
    return Plain(**fields, num_rows=num_rows)
