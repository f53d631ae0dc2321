"""What `FlowDensity.fit` checks before it begins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfflows.backend.arguments import check_unused
from tfflows.models import Flow
from tfflows.sklearn.plan import FAMILIES

# A column whose range is below as many roundings of its values is constant.
_ROUNDINGS = 8
_OPTIONAL = ("num_layers", "learning_rate", "max_seconds")
_NEEDED = ("max_epochs", "batch_size", "patience")


def check_arguments(density: Any) -> None:
    """Raises ValueError unless the arguments of a `FlowDensity` are in range."""
    for name in (*_OPTIONAL, *_NEEDED):
        value = getattr(density, name)
        if value is None and name in _OPTIONAL:
            continue
        if not (_is_number(value) and value > 0):
            raise ValueError(f"expected {name} above 0, got {value!r}")
    decay: Any = density.weight_decay
    if decay not in (None, "auto") and not (_is_number(decay) and decay >= 0):
        raise ValueError(f"expected weight_decay >= 0 or 'auto', got {decay!r}")
    fraction = density.validation_fraction
    if not (_is_number(fraction) and 0 < fraction < 1):
        raise ValueError(
            f"expected validation_fraction between 0 and 1, got {fraction!r}"
        )
    if callable(density.family):
        for name in ("num_layers", "hidden_units"):
            check_unused(name, getattr(density, name), [None], "a named family")
    names = ("auto", *FAMILIES)
    if not (callable(density.family) or density.family in names):
        raise ValueError(
            f"expected family {' or '.join(names)}, or a function of the number of "
            f"columns, got {density.family!r}"
        )


def check_flow(flow: Any, columns: int) -> None:
    """Raises ValueError unless a family has returned a flow over so many columns."""
    if not isinstance(flow, Flow) or flow.event_shape != (columns,):
        raise ValueError(
            f"expected family to return a tfflows.Flow over events of shape "
            f"({columns},), got {flow!r}"
        )


def refuse_constant_columns(x: np.ndarray) -> None:
    """Raises ValueError for columns of rows `[N, D]` that do not vary."""
    rounding = np.finfo("float64").eps * np.abs(x).max(axis=0)
    constant = np.flatnonzero(np.ptp(x, axis=0) <= _ROUNDINGS * rounding)
    if constant.size:
        raise ValueError(
            "expected columns that vary, got constant ones, which have no density: "
            f"{', '.join(map(str, constant))}; drop them "
            "(sklearn.feature_selection.VarianceThreshold) or, for integers, give "
            "levels="
        )


def dtype_for(x: np.ndarray) -> str:
    """float64 where rounding to float32 would show in a column, else float32."""
    size, deviation = np.abs(x).max(axis=0), x.std(axis=0)
    rounding = np.finfo("float32").eps * size
    fits = (rounding < 1e-3 * deviation) & (deviation > 1e-30) & (size < 1e30)
    return "float32" if fits.all() else "float64"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and math.isfinite(value)
