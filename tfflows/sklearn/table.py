"""The rows that densities are fitted to, and what is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfflows.bijectors import Standardize
from tfflows.distributions import StandardStudentT
from tfflows.models import Flow
from tfflows.models.warped import set_standardization, warped_flow
from tfflows.preprocessing import Dequantization
from tfflows.sklearn import mixtures
from tfflows.sklearn.expectation import fit_mixture
from tfflows.sklearn.mixture_flow import as_flow
from tfflows.sklearn.plan import FlowPlan
from tfflows.sklearn.stacking import far_log_densities
from tfflows.sklearn.warped.spaces import Space, SpaceMaker
from tfflows.sklearn.warped.warps import Warp, fit_warp, moments


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows as mixtures are fitted to them.

    Attributes:
      spaces: Make the rows in one or two kinds of coordinates, the plain ones first.
      fit: As `expectation.fit_mixture`.
      far: Log-densities `[N]` of all rows under a density with heavy tails.
      volume: What to take from log-densities of the plain space for those of raw rows.
      far_flow: Makes the flow of the density with heavy tails.
    """

    spaces: Sequence[SpaceMaker]
    fit: Callable[..., Any]
    far: np.ndarray
    volume: float
    far_flow: Callable[[], Flow]

    def folds(
        self,
        weight: np.ndarray,
        held_out: Sequence[np.ndarray],
        deadline: float | None = None,
    ) -> list[mixtures.Folds]:
        """The rows of each space with their weights `[N]` and what is held out."""
        return [
            mixtures.Folds(space, weight, held_out, self.far, self.fit, deadline)
            for space in self.spaces
        ]


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

    def new_flow(self, plan: FlowPlan, seed: int, warp: Warp | None = None) -> Flow:
        """A fresh flow, of warped columns if there is a warp of raw ones."""
        del seed
        size, dtype = self.x.shape[1], self.dtype
        flow = plan.new_flow(size, self.levels, dtype)
        if warp is None or callable(plan.family) or self.levels is not None:
            return flow
        name = f"warped_{flow.name}"
        flow = warped_flow([flow.bijector], (size,), flow.base, dtype=dtype, name=name)
        warp.set_in(flow)
        return flow

    def far(self, rows: np.ndarray) -> np.ndarray:
        """Log-densities of some rows under a density with heavy tails."""
        return far_log_densities(self.x[rows], self.x)

    def prepared(self, rng: np.random.Generator) -> Prepared:
        """The rows, standardised, and with warped columns."""
        y = self.x
        if self.levels is not None:
            y = y + rng.uniform(size=y.shape)
        shift, scale = y.mean(axis=0), y.std(axis=0)
        y = (y - shift) / scale
        plain = Space(y, lambda whole: self._normal_flow(whole, shift, scale))
        spaces: list[SpaceMaker] = [lambda kept, deadline: plain]
        if self.levels is None:
            spaces.append(
                lambda kept, deadline: self._warped(y, shift, scale, kept, deadline)
            )
        return Prepared(
            spaces,
            fit_mixture,
            far_log_densities(y, y),
            float(np.sum(np.log(scale))),
            lambda: self._far_flow(shift, scale),
        )

    def _warped(
        self,
        y: np.ndarray,
        shift: np.ndarray,
        scale: np.ndarray,
        kept: np.ndarray,
        deadline: float | None,
    ) -> Space:
        curves = fit_warp(y, self.weight, kept, deadline)
        z, log_slopes = curves(y)
        own_shift, own_scale = moments(z, self.weight)
        warp = curves.of_raw(shift, scale)
        return Space(
            (z - own_shift) / own_scale,
            lambda whole: self._normal_flow(whole, own_shift, own_scale, warp),
            log_slopes - np.sum(np.log(own_scale)),
            warp,
        )

    def _normal_flow(
        self,
        whole: Any,
        shift: np.ndarray,
        scale: np.ndarray,
        warp: Warp | None = None,
    ) -> Flow:
        return as_flow(whole, shift, scale, self.levels, self.dtype, warp)

    def _far_flow(self, shift: np.ndarray, scale: np.ndarray) -> Flow:
        size, dtype = len(shift), self.dtype
        step = Standardize(dtype=dtype)
        levels = self.levels
        preprocessing = [] if levels is None else [Dequantization(levels, dtype=dtype)]
        base = StandardStudentT(size, dtype=dtype)
        flow = Flow(step, (size,), base, preprocessing, name="student_t")
        set_standardization(step, shift, scale)
        return flow
