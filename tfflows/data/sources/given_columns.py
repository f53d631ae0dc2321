"""Columns of a table that are labels or a context, in the place of data."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tfflows.data.labels import numbered


class Given(NamedTuple):
    """What was taken out of a table.

    Attributes:
        labels: class labels int64 `[N]`, observations float32 `[N, C]`, or None.
        options: what `split_source` is told of them.
    """

    labels: np.ndarray | None
    options: dict[str, Any]


def take_out(
    frame: pd.DataFrame,
    path: str,
    place: Callable[[int], str],
    numeric: Callable[[pd.DataFrame], np.ndarray],
    label_column: str | None,
    context_columns: Sequence[str] | None,
) -> tuple[pd.DataFrame, Given]:
    """Parts a table into data, and what they depend on.

    Args:
        frame: the table.
        path: its file, for messages.
        place: where a row stands in the file.
        numeric: makes float32 `[N, C]` of columns of numbers.
        label_column: name of the column of class labels, texts or integers, or None.
        context_columns: names of columns of numbers, or None.

    Returns:
        The columns that stay, and what was taken out.

    Raises:
        ValueError: both are given, a name that the table lacks, no column that stays,
            or a label that is missing or no class.
    """
    if label_column is not None and context_columns is not None:
        raise ValueError(
            "expected label_column or context_columns, got both: a context is one "
            "tensor; for both, write the class as columns of 0 and 1 and give these as "
            "context_columns"
        )
    if label_column is None and context_columns is None:
        return frame, Given(None, {})
    if label_column is not None:
        wanted, argument = [label_column], "label_column"
    else:
        wanted, argument = list(context_columns or ()), "context_columns"
    _check_names(frame, path, wanted, argument)
    rest = frame.drop(columns=wanted)
    if label_column is not None:
        labels, names = numbered(_classes(frame[label_column], path, place))
        return rest, Given(labels, {"label_names": names})
    observations = numeric(frame[wanted])
    shape = {"observation_shape": observations.shape[1:]}
    return rest, Given(observations, shape)


def _check_names(
    frame: pd.DataFrame, path: str, wanted: Sequence[str], argument: str
) -> None:
    known = list(map(str, frame.columns))
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or known[:20]
            raise ValueError(
                f"{path}: expected a column of the table for {argument}, got {name!r}; "
                f"there are {', '.join(near)}"
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(
            f"{path}: expected one or more names that differ for {argument}, got "
            f"{','.join(wanted)!r}"
        )
    if len(wanted) == len(known):
        raise ValueError(
            f"{path}: expected columns besides those of {argument}, got no others than "
            f"{', '.join(wanted)}: nothing is left to fit a density to"
        )


def _classes(column: pd.Series, path: str, place: Callable[[int], str]) -> np.ndarray:
    """The labels, as texts, integers or booleans."""
    missing = column.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(
            f"{path}, {place(row)}, column {str(column.name)!r}: expected a label, got "
            "an empty cell"
        )
    kind = column.dtype.kind
    if kind == "f":
        values = column.to_numpy(np.float64)
        broken = np.flatnonzero(values != np.floor(values))
        if broken.size:
            row = int(broken[0])
            raise ValueError(
                f"{path}, {place(row)}, column {str(column.name)!r}: expected labels "
                f"that are texts or integers, got {column.iat[row]}; a column of "
                "numbers can be one of context_columns"
            )
        return values.astype(np.int64)
    if kind in "iub":
        return column.to_numpy()
    return column.astype(str).to_numpy(dtype=str)
