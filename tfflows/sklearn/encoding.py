"""Tables as numbers: their columns are looked at once, then told apart everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfflows.sklearn.columns import (
    Column,
    Kind,
    _place,
    categories_of,
    kinds_of,
    numbers,
)
from tfflows.sklearn.rounding import step_of

# Cells of one-hot categories: 1.6 GB.
_MOST_ONE_HOT = 2e8


def as_frame(X: Any) -> pd.DataFrame:
    """A DataFrame of X, whose columns are numbered if X has no names.

    Raises:
      ValueError: If X is no table.
    """
    if isinstance(X, pd.DataFrame):
        return X
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(
            f"expected a 2D array, rows and columns, got shape {array.shape}"
        )
    return pd.DataFrame(array)


@dataclasses.dataclass(frozen=True)
class Encoding:
    """What is known of a table's columns.

    Attributes:
      columns: The columns, in order.
      is_frame: Whether the table was a DataFrame, as samples then are.
      dtype: The dtype of an array.
    """

    columns: tuple[Column, ...]
    is_frame: bool
    dtype: Any

    @classmethod
    def of(
        cls, X: Any, given: Mapping[str, Any], rounding: Any, missing: str
    ) -> Encoding:
        """Looks at a table.

        Args:
          X: A DataFrame or an array.
          given: For "category" and "integer" None, "auto" or a list of columns.
          rounding: None, "auto", the step of all real columns, or a dict of steps.
          missing: "error" or "category".

        Raises:
          ValueError: For cells that do not fit, unknown columns, or other arguments.
        """
        frame = as_frame(X)
        kinds = kinds_of(frame, given)
        steps = _given_steps(frame, kinds, rounding)
        columns = []
        for place, (name, kind) in enumerate(zip(frame.columns, kinds, strict=True)):
            cells = frame.iloc[:, place]
            dtype = cells.dtype
            if kind == "category":
                values = categories_of(cells, name, missing)
                columns.append(Column(name, kind, dtype, values))
                continue
            there, fill = cells.dropna(), None
            if missing == "category" and len(there) < len(cells):
                if there.empty:
                    raise ValueError(
                        f"column {name!r}: expected some numbers, got none; drop it"
                    )
                fill = float(numbers(there, name, kind).mean())
                fill = round(fill) if kind == "integer" else fill
            x = numbers(cells if fill is None else there, name, kind)
            step = steps.get(place, 0.0)
            if kind == "real" and isinstance(rounding, str):
                step = step_of(x)
            columns.append(Column(name, kind, dtype, (), step, fill))
        _check_counts(columns, len(frame))
        array = None if isinstance(X, pd.DataFrame) else np.asarray(X).dtype
        return cls(tuple(columns), isinstance(X, pd.DataFrame), array)

    def with_dtype(self, dtype: Any) -> Encoding:
        """The encoding of an array of another dtype; float64 if it is no real one."""
        is_real = dtype is not None and np.dtype(dtype).kind == "f"
        return dataclasses.replace(self, dtype=dtype if is_real else np.dtype("f8"))

    @property
    def numbered(self) -> tuple[Column, ...]:
        """The columns of numbers: those of the table, then indicators of some."""
        indicators = [
            Column(f"{column.name} is missing", "category", bool, (False, True))
            for column in self.columns
            if column.fill is not None
        ]
        return (*self.columns, *indicators)

    @property
    def indicators(self) -> np.ndarray:
        """The indicator of each column of numbers, by its place; -1: none."""
        found, place = [], len(self.columns)
        for column in self.numbered:
            found.append(-1 if column.fill is None else place)
            place += column.fill is not None
        return np.array(found)

    @property
    def has_codes(self) -> bool:
        """Whether some column has probabilities."""
        return any(column.kind != "real" for column in self.numbered)

    @property
    def counts(self) -> np.ndarray:
        """Numbers of categories, 0 of other columns."""
        return np.array([len(column.values) for column in self.numbered])

    @property
    def integers(self) -> np.ndarray:
        """Which columns are of integers."""
        return np.array([column.kind == "integer" for column in self.numbered])

    @property
    def real(self) -> np.ndarray:
        """Which columns are of real numbers."""
        return np.array([column.kind == "real" for column in self.numbered])

    @property
    def steps(self) -> np.ndarray:
        """The steps of rounded columns, 0 of others."""
        return np.array([column.step for column in self.numbered])

    def description(self) -> list[dict[str, Any]]:
        """What a model carries of the columns of numbers: JSON values."""
        found = [column.description() for column in self.numbered]
        if self.is_frame:
            return found
        return [{**one, "name": None} for one in found]

    def codes(self, X: Any, handle_unknown: str = "error") -> np.ndarray:
        """The table as numbers `[N, D]`, as `numbered`; -1 for unknown categories.

        Raises:
          ValueError: For cells that do not fit and, with "error", unknown categories.
        """
        frame = as_frame(X)
        if frame.shape[1] != len(self.columns):
            raise ValueError(
                f"expected {len(self.columns)} columns, got {frame.shape[1]}"
            )
        found = [
            column.codes(frame.iloc[:, place])
            for place, column in enumerate(self.columns)
        ]
        found += [
            frame.iloc[:, place].isna().to_numpy("float64")
            for place, column in enumerate(self.columns)
            if column.fill is not None
        ]
        codes = np.stack(found, axis=1)
        unknown = (codes < 0) & (self.counts > 0)
        if handle_unknown == "error" and unknown.any():
            row, place = (int(i) for i in np.argwhere(unknown)[0])
            self._refuse(frame.iat[row, place], row, self.columns[place])
        return codes

    def _refuse(self, cell: Any, row: int, column: Column) -> None:
        shown = ", ".join(map(repr, column.values[:8]))
        more = ", ..." if len(column.values) > 8 else ""
        raise ValueError(
            f"row {row}, column {column.name!r}: expected a category that was seen in "
            f"training ({shown}{more}), got {cell!r}; handle_unknown='zero' gives such "
            "rows the probability 0 (log-density -inf)"
        )

    def table(self, codes: np.ndarray) -> Any:
        """The inverse of `codes`: a DataFrame, or an array of the table's dtype."""
        cells = [
            self._cells(column, codes, place)
            for place, column in enumerate(self.columns)
        ]
        if not self.is_frame:
            # Texts and numbers of one array were objects, or texts.
            kind = None if self.dtype.kind in "biuf" else object
            columns = [np.asarray(one, kind) for one in cells]
            return np.stack(columns, axis=1).astype(self.dtype)
        frame = pd.concat(cells, axis=1)
        frame.columns = pd.Index([column.name for column in self.columns])
        return frame

    def _cells(self, column: Column, codes: np.ndarray, place: int) -> pd.Series:
        if column.fill is None:
            return column.cells(codes[:, place])
        there = codes[:, self.indicators[place]] == 0
        return column.cells(codes[:, place]).where(there)


def _check_counts(columns: list[Column], rows: int) -> None:
    """Raises ValueError for so many categories that one-hot rows take gigabytes."""
    counts = [len(column.values) for column in columns]
    if rows * sum(counts) <= _MOST_ONE_HOT:
        return
    most = columns[int(np.argmax(counts))]
    raise ValueError(
        f"column {most.name!r}: expected fewer categories, got {len(most.values)} in "
        f"{rows} rows; drop the column if it tells rows apart (a name, a number of "
        "rows), or join rare categories to one"
    )


def _given_steps(
    frame: pd.DataFrame, kinds: list[Kind], rounding: Any
) -> dict[int, float]:
    """The steps that a user gives, by column."""
    if rounding is None or (isinstance(rounding, str) and rounding == "auto"):
        return {}
    if isinstance(rounding, Mapping):
        steps = {
            _place(frame, name, "rounding"): value for name, value in rounding.items()
        }
    else:
        real = [place for place, kind in enumerate(kinds) if kind == "real"]
        steps = dict.fromkeys(real, rounding)
    for place, step in steps.items():
        valid = isinstance(step, int | float | np.number) and not isinstance(step, bool)
        if not (valid and np.isfinite(step) and step > 0):
            raise ValueError(
                "expected rounding None, 'auto', a step above 0 or a dict of steps, "
                f"got {rounding!r}"
            )
        if kinds[place] != "real":
            raise ValueError(
                f"expected rounding of real columns, got {frame.columns[place]!r}, a "
                f"column of kind {kinds[place]}"
            )
    return {place: float(step) for place, step in steps.items()}
