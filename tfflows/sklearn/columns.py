"""The kinds of a table's columns: categories, integers, real numbers."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

Kind = Literal["category", "integer", "real"]
KINDS: tuple[Kind, ...] = ("category", "integer", "real")
# Integers beyond are not exact in float64.
_MOST = 2.0**53


@dataclasses.dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
      name: That of a DataFrame's column, or the number of the column.
      kind: "category" and "integer" columns have probabilities, "real" ones a density.
      dtype: The dtype of the data, which samples get.
      values: The categories in the order of their codes; None among them: a missing
        cell. Of other kinds: none.
      step: The step to which real numbers are rounded; 0: they are not.
      fill: What stands in the place of missing numbers, which a column of their own
        tells; None: no number may be missing.
    """

    name: Any
    kind: Kind
    dtype: Any
    values: tuple[Any, ...] = ()
    step: float = 0.0
    fill: float | None = None

    def description(self) -> dict[str, Any]:
        """What a model carries: JSON values."""
        found: dict[str, Any] = {"name": str(self.name), "kind": self.kind}
        if self.kind == "category":
            found["categories"] = [_plain(value) for value in self.values]
        if self.step:
            found["step"] = self.step
        return found

    def codes(self, cells: pd.Series) -> np.ndarray:
        """Numbers `[N]` of cells; -1 for unknown categories.

        Raises:
          ValueError: If a cell of numbers is none, or no integer.
        """
        if self.kind != "category":
            if self.fill is not None:
                cells = cells.astype(object).where(cells.notna(), self.fill)
            return numbers(cells, self.name, self.kind)
        known = pd.Index([value for value in self.values if value is not None])
        found = known.get_indexer(pd.Index(cells.to_numpy(object))).astype("float64")
        missing = cells.isna().to_numpy(bool)
        found[missing] = len(known) if None in self.values else -1
        return found

    def cells(self, codes: np.ndarray) -> Any:
        """The cells of codes `[N]`: the inverse of `codes`, in the column's dtype."""
        if self.kind == "category":
            values = np.empty(len(self.values), object)
            values[:] = self.values
            taken = values[np.clip(codes, 0, len(values) - 1).astype(int)]
            return pd.Series(taken, dtype=self.dtype)
        if self.kind == "integer":
            return pd.Series(_whole(codes, self.dtype))
        if self.step:
            codes = self.step * np.round(codes / self.step)
        return pd.Series(codes).astype(_real(self.dtype))


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return (
        value
        if value is None or isinstance(value, str | bool | int | float)
        else str(value)
    )


def _whole(codes: np.ndarray, dtype: Any) -> Any:
    rounded = np.round(codes)
    plain = getattr(dtype, "numpy_dtype", dtype)
    if np.dtype(plain).kind in "iu":
        limits = np.iinfo(plain)
        # float64 may round the limits up.
        rounded = np.clip(rounded, max(limits.min, -_MOST), min(limits.max, _MOST))
    return pd.Series(rounded).astype(dtype)


def _real(dtype: Any) -> Any:
    plain = getattr(dtype, "numpy_dtype", dtype)
    try:
        return dtype if np.dtype(plain).kind == "f" else "float64"
    except TypeError:
        return "float64"


def numbers(cells: pd.Series, name: Any, kind: str) -> np.ndarray:
    """The finite numbers `[N]` of cells.

    Raises:
      ValueError: Naming the column and the first row that is none, or no integer.
    """
    if getattr(cells.dtype, "kind", "O") in "mMc":
        raise ValueError(
            f"column {name!r}: expected numbers or categories, got {cells.dtype}; turn "
            "it into a number, for example of days"
        )
    found = pd.to_numeric(cells, errors="coerce").to_numpy("float64", na_value=np.nan)
    wrong = ~np.isfinite(found)
    wanted, remedy = "a finite number", ""
    if kind == "integer" and not wrong.any():
        wrong = (found != np.round(found)) | (np.abs(found) > _MOST)
        wanted, remedy = "an integer", "; leave the column out of integer_features"
    if not wrong.any():
        return found
    row = int(np.argmax(wrong))
    cell = cells.iloc[row]
    if bool(np.all(pd.isna(cell))):
        cell = "NaN"
        remedy = "; missing='category' gives such cells a probability, or drop the rows"
    elif isinstance(cell, str):
        cell = repr(cell)
        remedy = "; for categories give categorical_features"
    raise ValueError(
        f"row {row}, column {name!r}: expected {wanted}, got {cell}{remedy}"
    )


def kinds_of(frame: pd.DataFrame, given: Mapping[str, Any]) -> list[Kind]:
    """The kind of each column, by lists of columns and by dtypes.

    Args:
      frame: The table.
      given: For "category" and "integer" None, "auto" or a list of columns.

    Raises:
      ValueError: For unknown columns, or one in both lists.
    """
    kinds: list[Kind] = ["real"] * frame.shape[1]
    listed: dict[int, Kind] = {}
    for kind in ("category", "integer"):
        chosen = given[kind]
        if chosen is None or isinstance(chosen, str):
            continue
        for place in _places(frame, chosen, kind):
            if place in listed and listed[place] != kind:
                raise ValueError(
                    "expected columns of categories or of integers, got "
                    f"{frame.columns[place]!r} as both"
                )
            listed[place] = kind
    for place, dtype in enumerate(frame.dtypes):
        kind = _kind_by(dtype)
        if place in listed:
            kinds[place] = listed[place]
        elif kind != "real" and given[kind] == "auto":
            kinds[place] = kind
    return kinds


def _kind_by(dtype: Any) -> Kind:
    kinds = pd.api.types
    if isinstance(dtype, pd.CategoricalDtype) or kinds.is_bool_dtype(dtype):
        return "category"
    if kinds.is_object_dtype(dtype) or kinds.is_string_dtype(dtype):
        return "category"
    return "integer" if kinds.is_integer_dtype(dtype) else "real"


def _places(frame: pd.DataFrame, chosen: Any, kind: str) -> list[int]:
    argument = "categorical_features" if kind == "category" else "integer_features"
    if not isinstance(chosen, Sequence | np.ndarray | pd.Index):
        raise ValueError(
            f"expected {argument} None, 'auto' or a list of columns, got {chosen!r}"
        )
    return [_place(frame, one, argument) for one in chosen]


def _place(frame: pd.DataFrame, column: Any, argument: str) -> int:
    names = list(frame.columns)
    if column in names:
        return names.index(column)
    whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
    if whole and -len(names) <= column < len(names):
        return int(column) % len(names)
    near = difflib.get_close_matches(str(column), list(map(str, names)), 3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"expected columns of the table in {argument}, got {column!r}, which is none "
        f"of its {len(names)} columns{hint}"
    )


def categories_of(cells: pd.Series, name: Any, missing: str) -> tuple[Any, ...]:
    """The categories of a column, in order; None for missing cells, last.

    Raises:
      ValueError: If cells are missing and `missing` is "error", or cannot be compared.
    """
    empty = cells.isna().to_numpy(bool)
    if empty.any() and missing == "error":
        raise ValueError(
            f"row {int(np.argmax(empty))}, column {name!r}: expected a category, got "
            "NaN or an empty cell; missing='category' makes missing cells one of their "
            "own"
        )
    seen = cells[~empty]
    try:
        if isinstance(cells.dtype, pd.CategoricalDtype):
            used = set(seen)
            values = [value for value in cells.dtype.categories if value in used]
        else:
            values = list(pd.unique(seen.to_numpy(object)))
    except TypeError as error:
        raise ValueError(
            f"column {name!r}: expected categories such as texts or numbers: {error}"
        ) from error
    if not isinstance(cells.dtype, pd.CategoricalDtype):
        try:
            values = sorted(values)
        except TypeError:
            values = sorted(
                values, key=lambda value: (type(value).__name__, str(value))
            )
    return (*values, None) if empty.any() else tuple(values)
