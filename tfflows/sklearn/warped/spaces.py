"""Coordinates in which mixtures are fitted to rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfflows.models import Flow
from tfflows.sklearn.warped.warps import Warp


@dataclasses.dataclass(frozen=True)
class Space:
    """Rows in the coordinates in which mixtures are fitted to them.

    Attributes:
      rows: What `Prepared.fit` takes.
      mixture_flow: Makes the flow of a fitted mixture, over raw rows.
      log_slopes: What to add to log-densities of `rows`, `[N]`, for those of the rows
        of the plain space; None: nothing.
      warp: The curves, as `new_flow` of the table takes them: of raw rows for `Table`,
        of standardised real columns for `MixedTable`. None: this is the plain space.
    """

    rows: Any
    mixture_flow: Callable[[Any], Flow]
    log_slopes: np.ndarray | None = None
    warp: Warp | None = None


# Takes which rows the coordinates may be fitted to, `[N]`, and `time.monotonic()` after
# which no time is spent on that; None: never.
SpaceMaker = Callable[[np.ndarray, float | None], Space]
