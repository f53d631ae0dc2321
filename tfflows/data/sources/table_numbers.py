"""Tables read from files, as float32 rows; what is no number is named."""

import math
import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd

from tfflows.data.sources.table_notices import check_size, notices
from tfflows.system.notices import warn_of


def check_file(path: str) -> None:
    """Raises FileNotFoundError, or ValueError for an empty path."""
    if not path:
        raise ValueError("expected a path after the prefix, as in csv:PATH, got none")
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"{path}: expected a file, found none")


def as_rows(frame: pd.DataFrame, path: str, place: Callable[[int], str]) -> np.ndarray:
    """Returns the table as float32 [N, D], or names the first cell that is wrong."""
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        # These pandas would turn into numbers; a density of them makes no sense.
        if pd.api.types.is_bool_dtype(dtype) or dtype.kind in "mMc":
            raise ValueError(
                f"{path}, {place(0)}, column {name!r}: expected a number, got {dtype}"
            )
    x = _as_float32(frame)
    names = list(map(str, frame.columns))
    if not np.isfinite(x).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(
            f"{path}, {place(row)}, column {names[column]!r}: expected a finite "
            f"float32 number, got {_show(frame.iat[row, column])}; "
            f"{_remedy(frame.iat[row, column])}"
        )
    check_size(x, names, path, place)
    warn_of(notices(x, names, path))
    return x


def _as_float32(frame: pd.DataFrame) -> np.ndarray:
    if all(dtype.kind in "iuf" for dtype in frame.dtypes):
        with np.errstate(over="ignore"):
            return frame.to_numpy(np.float64, na_value=np.nan).astype(np.float32)
    columns = [_to_float32(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return np.stack(columns, axis=-1)


def _to_float32(column: pd.Series) -> np.ndarray:
    """Returns a column as float32, with NaN for what is no number."""
    try:
        values = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # hundreds of digits
        values = column.map(to_float)
    with np.errstate(over="ignore"):  # overflow gives inf, which the caller reports
        return values.to_numpy(np.float64, na_value=np.nan).astype(np.float32)


def to_float(cell: object) -> float:
    """The number that a cell is, or NaN."""
    try:
        return float(str(cell))
    except ValueError:
        return math.nan


def _show(cell: object) -> str:
    is_missing = bool(np.all(pd.isna(cell)))
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return "NaN or an empty cell" if is_missing else text


def _remedy(cell: object) -> str:
    if bool(np.all(pd.isna(cell))):
        return "fill the cell, or drop the row"
    if isinstance(cell, str):
        return (
            "mend the cell, or leave the column out (tfflows.sklearn.FlowDensity takes "
            "columns of categories)"
        )
    return "drop the row, or divide the column by its scale"
