"""What makes the density of a table's columns grow without bound."""

from __future__ import annotations

import numpy as np

# Of a column of so many rows, so few distinct values are most likely codes.
FEW_VALUES, ENOUGH_ROWS = 10, 50
# What a linear combination leaves of a column, in deviations.
_DEPENDENT = 1e-6
_LEAST_WEIGHT = 1e-3
_MOST_ROWS, _MOST_COLUMNS = 5000, 500


def is_constant(x: np.ndarray) -> np.ndarray:
    """Which columns of rows `[N, D]` have one value: `[D]`."""
    return np.ptp(x, axis=0) == 0


def few_values(x: np.ndarray) -> int | None:
    """The number of distinct values of a column `[N]`; None: they are many."""
    if len(x) < ENOUGH_ROWS:
        return None
    number = len(np.unique(x))
    return number if number <= FEW_VALUES else None


def dependent_columns(x: np.ndarray) -> dict[int, list[int]]:
    """Columns of rows `[N, D]` that are linear combinations of ones before them.

    Args:
      x: Finite numbers. Of many rows, some are looked at; of few, or of very many
        columns, none.

    Returns:
      The other columns in each combination.
    """
    x = x[:: -(-len(x) // _MOST_ROWS)].astype("float64")
    size = x.shape[1]
    if len(x) < 2 * (size + 2) or size > _MOST_COLUMNS:
        return {}
    deviation = x.std(axis=0)
    varied = np.flatnonzero(deviation > 0)
    z = (x[:, varied] - x[:, varied].mean(axis=0)) / deviation[varied]
    r = np.linalg.qr(z, mode="r") / np.sqrt(len(x))
    found, kept = {}, []
    for place, column in enumerate(varied):
        if abs(r[place, place]) > _DEPENDENT:
            kept.append(place)
            continue
        weights = np.linalg.solve(r[np.ix_(kept, kept)], r[kept, place])
        own = np.abs(weights) > _LEAST_WEIGHT
        found[int(column)] = [int(varied[kept[i]]) for i in np.flatnonzero(own)]
    return found
