"""What `FlowDensity.fit` checks before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfflows.backend.arguments import check_unused, check_word
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


def check_family(family: Any) -> None:
    """Raises ValueError unless a family can be given categories and integers."""
    if callable(family):
        raise ValueError(
            "expected a family by name for columns of categories or integers, got a "
            f"function, {family!r}; integer_features=None takes integers for real "
            "numbers"
        )


def check_missing(family: Any) -> None:
    """Raises ValueError unless a family can be given missing numbers."""
    if family != "auto":
        raise ValueError(
            f"expected family 'auto' with missing numbers, got {family!r}; fill the "
            "cells, for example with sklearn.impute"
        )


def check_flow(flow: Any, columns: int) -> None:
    """Raises ValueError unless a family has returned a flow over so many columns."""
    if not isinstance(flow, Flow) or flow.event_shape != (columns,):
        raise ValueError(
            f"expected family to return a tfflows.Flow over events of shape "
            f"({columns},), got {flow!r}"
        )


def check_columns(density: Any) -> None:
    """Raises ValueError unless the arguments on columns are words, and fit `levels`."""
    check_word("missing", density.missing, ("error", "category"))
    check_word("handle_unknown", density.handle_unknown, ("error", "zero"))
    for name in ("categorical_features", "integer_features", "rounding"):
        value = getattr(density, name)
        if isinstance(value, str) and value != "auto":
            raise ValueError(f"expected {name} None, 'auto' or columns, got {value!r}")
        if density.levels is None or value is None or isinstance(value, str):
            continue
        raise ValueError(
            f"expected {name} without levels, which are those of all columns, got "
            f"both levels={density.levels} and {name}={value!r}"
        )


def refuse_constant_columns(x: np.ndarray, names: Sequence[Any]) -> None:
    """Raises ValueError for columns of rows `[N, D]` that do not vary."""
    rounding = np.finfo("float64").eps * np.abs(x).max(axis=0)
    constant = np.flatnonzero(np.ptp(x, axis=0) <= _ROUNDINGS * rounding)
    if constant.size:
        raise ValueError(
            "expected columns that vary, got constant ones, which have no density: "
            f"{', '.join(str(names[int(i)]) for i in constant)}; drop them "
            "(sklearn.feature_selection.VarianceThreshold) or, for integers, give "
            "levels= or integer_features="
        )


def dtype_for(x: np.ndarray) -> str:
    """float64 where rounding to float32 would show in a column, else float32."""
    size, deviation = np.abs(x).max(axis=0), x.std(axis=0)
    rounding = np.finfo("float32").eps * size
    fits = (rounding < 1e-3 * deviation) & (deviation > 1e-30) & (size < 1e30)
    return "float32" if fits.all() else "float64"


def dtype_for_codes(x: np.ndarray) -> str:
    """float64 if float32 rounds integers and their halves, else float32."""
    return "float32" if np.abs(x).max(initial=0.0) < 2.0**22 else "float64"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and math.isfinite(value)
