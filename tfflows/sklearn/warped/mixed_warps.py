"""Warped real columns beside categories and integers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tfflows.bijectors import Chain, FlowStep, GivenFirst, Standardize
from tfflows.models.warped import set_standardization, warp_steps
from tfflows.sklearn.column_rows import ColumnRows
from tfflows.sklearn.warped.warps import Warp, fit_warp, moments


@dataclasses.dataclass(frozen=True)
class Curves:
    """What takes standardised real columns to other standardised ones.

    Attributes:
      warp: The curves.
      shift: Mean of what they give, `[R]`; None: it stays as it is.
      scale: Its deviation.
    """

    warp: Warp
    shift: np.ndarray | None = None
    scale: np.ndarray | None = None

    def step(self, num_codes: int, dtype: str) -> GivenFirst:
        """The step on rows that begin with so many codes, which stay; `set` follows."""
        steps: list[FlowStep] = warp_steps(len(self.warp.tails), dtype)
        if self.shift is not None:
            steps.append(Standardize(dtype=dtype))
        return GivenFirst(Chain(steps, dtype=dtype), num_codes, dtype=dtype)

    def set(self, step: Any) -> None:
        """Sets the step once a flow has built it."""
        chain = step.step
        self.warp.set_in(chain)
        if self.shift is not None:
            set_standardization(chain.steps[-1], self.shift, self.scale)


def warped_rows(
    rows: ColumnRows,
    weight: np.ndarray,
    kept: np.ndarray | None = None,
    deadline: float | None = None,
) -> tuple[ColumnRows, np.ndarray, Curves]:
    """The rows with warped real columns, their log-slopes `[N]`, and the curves.

    Args:
      rows: No cell of which is missing.
      weight: Their weights `[N]`, above 0.
      kept: As in `fit_warp`.
      deadline: As in `fit_warp`.
    """
    number = len(rows.steps)
    warp = fit_warp(rows.x[:, number:], weight, kept, deadline)
    z, log_slopes = warp(rows.x[:, number:])
    shift, scale = moments(z, weight)
    z = (z - shift) / scale
    warped = dataclasses.replace(
        rows,
        x=np.concatenate([rows.x[:, :number], z], axis=1),
        y=np.concatenate([rows.y[:, :number], z], axis=1),
        log_scales=rows.log_scales + np.log(scale),
    )
    return warped, log_slopes, Curves(warp, shift, scale)
