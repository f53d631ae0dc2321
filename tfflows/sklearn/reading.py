"""Reads what an estimator is given: rows, and what is known of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight, validate_data

from tfflows.sklearn.checks import (
    check_family,
    check_missing,
    dtype_for,
    dtype_for_codes,
    refuse_constant_columns,
)
from tfflows.sklearn.columns import kinds_of
from tfflows.sklearn.encoding import Encoding
from tfflows.sklearn.mixed_table import MixedTable
from tfflows.sklearn.rounding import with_noise
from tfflows.sklearn.table import Table


def read(
    density: Any, X: Any, sample_weight: Any, rng: np.random.RandomState
) -> tuple[Table, Encoding | None]:
    """The rows of weight above 0, and their columns; None with `levels`.

    Args:
      density: A `FlowDensity` whose arguments are checked; it learns the names of
        columns.
      X: What `fit` was given.
      sample_weight: None or `[N]`.
      rng: Draws the noise of rounded columns.

    Raises:
      ValueError: For rows that have no density.
    """
    codes = density.levels is None and _has_codes(density, X)
    if codes:
        validate_data(density, X, skip_check_array=True)
        x: Any = X if hasattr(X, "shape") else np.asarray(X)
    else:
        x = validate_data(density, X, dtype="float64", ensure_min_samples=2)
    weight = _check_sample_weight(
        sample_weight, x, dtype="float64", ensure_non_negative=True
    )
    rows = np.flatnonzero(weight > 0)
    # What priors count for does not depend on the weights' unit.
    weight = weight * (len(rows) / max(weight.sum(), np.finfo("float64").tiny))
    if len(rows) < 2:
        raise ValueError(f"expected 2 rows of weight above 0, got {len(rows)}")
    if density.levels is not None:
        return _leveled(x[rows], weight[rows], density.levels), None
    own = X if isinstance(X, pd.DataFrame) else x
    encoding = Encoding.of(
        _safe_indexing(own, rows),
        _given(density),
        density.rounding,
        density.missing,
    )
    if not encoding.is_frame and not codes:
        # Samples get the dtype that X came with.
        encoding = encoding.with_dtype(getattr(X, "dtype", None))
    table = _table(
        encoding, encoding.codes(_safe_indexing(own, rows)), weight[rows], rng
    )
    if encoding.has_codes:
        check_family(density.family)
    if np.any(encoding.indicators >= 0):
        check_missing(density.family)
    return table, encoding


def read_new(density: Any, X: Any) -> np.ndarray:
    """Rows to be scored, as numbers `[N, D]`.

    Raises:
      ValueError: For rows that do not fit the fitted columns.
    """
    encoding = getattr(density, "_encoding", None)
    if encoding is None or not encoding.has_codes:
        return validate_data(density, X, dtype="float64", reset=False)
    x = X if hasattr(X, "shape") else np.asarray(X)
    validate_data(density, x, reset=False, skip_check_array=True)
    return encoding.codes(x, density.handle_unknown)


def _given(density: Any) -> dict[str, Any]:
    return {
        "category": density.categorical_features,
        "integer": density.integer_features,
    }


def _has_codes(density: Any, X: Any) -> bool:
    """Whether some column is no plain number, by lists or dtypes alone."""
    given = _given(density)
    if any(not (value is None or isinstance(value, str)) for value in given.values()):
        return True
    if density.missing == "category" and _has_missing(X):
        return True
    if isinstance(X, pd.DataFrame):
        plain = all(getattr(dtype, "kind", "O") in "fiu" for dtype in X.dtypes)
        return X.shape[1] > 0 and not (plain and set(kinds_of(X, given)) == {"real"})
    try:
        x = np.asarray(X) if isinstance(X, list | tuple) else X
    except ValueError:  # rows of several lengths
        return False
    if not isinstance(x, np.ndarray) or x.ndim != 2 or not x.size:
        return False
    kinds = {"b": "category", "i": "integer", "u": "integer"}
    kind = kinds.get(x.dtype.kind)
    return kind is not None and given[kind] == "auto"


def _has_missing(X: Any) -> bool:
    is_table = isinstance(X, pd.DataFrame | np.ndarray) and X.ndim == 2
    return is_table and bool(np.any(pd.isna(X)))


def _leveled(x: np.ndarray, weight: np.ndarray, levels: int) -> Table:
    return Table(x, weight, levels, dtype_for(x), x, np.zeros(x.shape[1]), None)


def _table(
    encoding: Encoding, x: np.ndarray, weight: np.ndarray, rng: np.random.RandomState
) -> Table:
    real = encoding.real
    names = [column.name for column in encoding.columns if column.kind == "real"]
    if names:
        refuse_constant_columns(x[:, real], names)
    steps = encoding.steps
    noisy = with_noise(x, steps, rng) if steps.any() else x
    plain = not (encoding.is_frame or encoding.has_codes or steps.any())
    told = None if plain else encoding.description()
    dtype = dtype_for(x[:, real]) if names else "float32"
    if not encoding.has_codes:
        return Table(noisy, weight, None, dtype, x, steps, told)
    if dtype_for_codes(x[:, ~real]) == "float64":
        dtype = "float64"
    return MixedTable(
        noisy,
        weight,
        None,
        dtype,
        x,
        steps,
        told,
        encoding.counts,
        encoding.integers,
        encoding.indicators,
    )
