"""What a user should know of columns before a density is fitted to them."""

from __future__ import annotations

import numpy as np

from tfflows.sklearn.encoding import Encoding
from tfflows.system.column_facts import ENOUGH_ROWS, dependent_columns, few_values

# One value in this share of the rows makes a density grow without bound there.
_SPIKE = 0.1


def messages_on(encoding: Encoding, x: np.ndarray) -> list[str]:
    """Sentences on rounded, few-valued, constant and dependent columns.

    Args:
      encoding: The columns.
      x: Their numbers `[N, D]`.
    """
    found = []
    for place, column in enumerate(encoding.numbered):
        own, name = x[:, place], repr(column.name)
        if column.fill is not None:
            own = own[x[:, encoding.indicators[place]] == 0]
        if column.kind == "real":
            found += _on_values(name, own, bool(column.step))
        elif np.ptp(own) == 0:
            found.append(
                f"column {name} has one value: its probability is near 1, and it tells "
                "nothing; drop it"
            )
    return [*_on_rounding(encoding), *found, *_on_dependence(encoding, x)]


def _on_values(name: str, x: np.ndarray, is_rounded: bool) -> list[str]:
    found = []
    values, counts = np.unique(x, return_counts=True)
    if few_values(x) is not None:
        found.append(
            f"column {name} has {len(values)} distinct values in {len(x)} rows, and a "
            "density as all columns of dtype float; for probabilities name it in "
            "categorical_features or integer_features"
        )
    elif len(x) >= ENOUGH_ROWS and not is_rounded and counts.max() >= _SPIKE * len(x):
        share = 100 * counts.max() / len(x)
        found.append(
            f"column {name} has the value {values[counts.argmax()]:g} in {share:.0f} % "
            "of the rows, where a density grows without bound; put an indicator of it "
            "in a column of its own (categorical_features)"
        )
    return found


def _on_rounding(encoding: Encoding) -> list[str]:
    columns = [
        f"{column.name!r} ({column.step:g})"
        for column in encoding.columns
        if column.step
    ]
    if not columns:
        return []
    return [
        f"columns rounded to steps, {', '.join(columns)}, have the density of the "
        "numbers with uniform noise of one step (rounding=None: as they are)"
    ]


def _on_dependence(encoding: Encoding, x: np.ndarray) -> list[str]:
    """On real columns that are linear combinations of others."""
    numeric = np.flatnonzero(encoding.counts == 0)
    # Integers first: they have probabilities, whatever depends on them.
    numeric = numeric[np.argsort(encoding.real[numeric], kind="stable")]
    found = dependent_columns(x[:, numeric])
    return [
        _dependent(encoding, int(numeric[column]), [numeric[i] for i in others])
        for column, others in found.items()
        if encoding.real[numeric[column]]
    ]


def _dependent(encoding: Encoding, column: int, others: list) -> str:
    names = [repr(encoding.numbered[int(place)].name) for place in others]
    return (
        f"column {encoding.numbered[column].name!r} is a linear combination of "
        f"{', '.join(names)}: a density of all of them grows without bound; drop it"
    )
