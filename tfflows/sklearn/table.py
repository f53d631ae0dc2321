"""The rows that densities are fitted to, and what is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfflows.bijectors import Standardize
from tfflows.distributions import StandardStudentT
from tfflows.models import Flow
from tfflows.preprocessing import Dequantization
from tfflows.sklearn import mixtures
from tfflows.sklearn.expectation import fit_mixture
from tfflows.sklearn.plan import FlowPlan
from tfflows.sklearn.stacking import far_log_densities


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows as mixtures are fitted to them.

    Attributes:
      rows: What `fit` takes.
      fit: As `expectation.fit_mixture`.
      far: Log-densities `[N]` of all rows under a density with heavy tails.
      volume: What to take from log-densities of `rows` for those of raw rows.
      mixture_flow: Makes the flow of a fitted mixture.
      far_flow: Makes the flow of the density with heavy tails.
    """

    rows: Any
    fit: Callable[..., Any]
    far: np.ndarray
    volume: float
    mixture_flow: Callable[[Any], Flow]
    far_flow: Callable[[], Flow]


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of real numbers, or of integers of some levels.

    Attributes:
      x: `[N, D]`, rounded columns with noise of one step.
      weight: `[N]`, above 0.
      levels: Those of integers; None: real numbers.
      dtype: Of the flows.
      exact: x without the noise.
      steps: The steps `[D]` of rounded columns; 0: not rounded.
      columns: What a model carries of the columns; None: nothing.
    """

    x: np.ndarray
    weight: np.ndarray
    levels: int | None
    dtype: str
    exact: np.ndarray
    steps: np.ndarray
    columns: list[dict[str, Any]] | None

    def new_flow(self, plan: FlowPlan, seed: int) -> Flow:
        """A fresh flow."""
        del seed
        return plan.new_flow(self.x.shape[1], self.levels, self.dtype)

    def far(self, rows: np.ndarray) -> np.ndarray:
        """Log-densities of some rows under a density with heavy tails."""
        return far_log_densities(self.x[rows], self.x)

    def prepared(self, rng: np.random.Generator) -> Prepared:
        """The rows, standardised."""
        y = self.x
        if self.levels is not None:
            y = y + rng.uniform(size=y.shape)
        shift, scale = y.mean(axis=0), y.std(axis=0)
        y = (y - shift) / scale
        return Prepared(
            y,
            fit_mixture,
            far_log_densities(y, y),
            float(np.sum(np.log(scale))),
            lambda whole: mixtures.as_flow(
                whole, shift, scale, self.levels, self.dtype
            ),
            lambda: self._far_flow(shift, scale),
        )

    def _far_flow(self, shift: np.ndarray, scale: np.ndarray) -> Flow:
        size, dtype = len(shift), self.dtype
        step = Standardize(dtype=dtype)
        levels = self.levels
        preprocessing = [] if levels is None else [Dequantization(levels, dtype=dtype)]
        base = StandardStudentT(size, dtype=dtype)
        flow = Flow(step, (size,), base, preprocessing, name="student_t")
        mixtures.set_standardization(step, shift, scale)
        return flow
