"""What a user should know of a table before a flow is trained on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfflows.system.column_facts import (
    ENOUGH_ROWS,
    dependent_columns,
    few_values,
    is_constant,
)

# With fewer rows, the splits for validation and test are of one or two.
_FEW_ROWS = 30
# The square of larger numbers is infinite in float32.
_LARGEST = 1e18
# Of more columns, sentences on each would be a book.
_MOST_COLUMNS = 1000


def check_size(x: np.ndarray, names: Sequence[str], path: str, place: object) -> None:
    """Raises ValueError for numbers whose square float32 does not hold.

    Args:
      x: Rows `[N, D]`.
      names: Names of the columns.
      path: The file.
      place: Maps the number of a row to its place in the file.
    """
    large = np.abs(x) > _LARGEST
    if large.any() and callable(place):
        row, column = (int(i) for i in np.argwhere(large)[0])
        raise ValueError(
            f"{path}, {place(row)}, column {names[column]!r}: expected a number of "
            f"size {_LARGEST:g} or less, got {x[row, column]:g}; if it stands for a "
            "missing cell, drop the row; else divide the column by its scale"
        )


def check_names(names: Sequence[str], path: str) -> None:
    """Raises ValueError for columns of one name."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        first = seen.setdefault(name, place)
        if first != place:
            raise ValueError(
                f"{path}: expected columns of different names, got {name!r} as columns "
                f"{first + 1} and {place + 1}; rename one"
            )


def notices(x: np.ndarray, names: Sequence[str], path: str) -> list[str]:
    """Sentences on a table's rows and columns, each with its file."""
    if x.shape[1] > _MOST_COLUMNS:
        return []
    found = []
    if len(x) < _FEW_ROWS:
        found.append(
            f"{path} has {len(x)} rows, of which a tenth each, at least one, are held "
            "out for validation and test: figures of so few mean little; "
            "tfflows.sklearn.FlowDensity is for few rows"
        )
    if len(x) < ENOUGH_ROWS:
        return found
    constant = is_constant(x)
    found += [
        f"{path}, column {name!r} has the value {value:g} in all rows, and so no "
        "density; drop it"
        for name, value, has_one in zip(names, x[0], constant, strict=True)
        if has_one
    ]
    found += _on_values(x[:, ~constant], np.array(names, object)[~constant], path)
    for place, others in dependent_columns(x).items():
        listed = ", ".join(repr(names[other]) for other in others)
        found.append(
            f"{path}, column {names[place]!r} is a linear combination of {listed}: a "
            "density of all of them grows without bound; drop it"
        )
    return found


def _on_values(x: np.ndarray, names: np.ndarray, path: str) -> list[str]:
    """One sentence on the columns that hold integers or few numbers."""
    columns = []
    for place, name in enumerate(names):
        own = x[:, place]
        number = few_values(own)
        if number is not None:
            columns.append(f"{name!r} ({number} distinct values)")
        elif np.array_equal(own, np.round(own)):
            columns.append(f"{name!r} (integers)")
    if not columns:
        return []
    return [
        f"{path}, columns {', '.join(columns)}: a density grows without bound at such "
        "numbers; tfflows.sklearn.FlowDensity gives categories and integers "
        "probabilities"
    ]
