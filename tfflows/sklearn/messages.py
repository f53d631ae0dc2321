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
    found, few = [], []
    for place, column in enumerate(encoding.numbered):
        own, name = x[:, place], repr(column.name)
        if column.fill is not None:
            own = own[x[:, encoding.indicators[place]] == 0]
        if column.kind != "real":
            found += _on_one_value(name, own)
        elif (number := few_values(own)) is not None:
            few.append(f"{name} ({number} distinct values)")
        elif not column.step:
            found += _on_spikes(name, own)
    messages = [*_on_rounding(encoding), *found, *_on_dependence(encoding, x)]
    if few:
        messages.append(
            f"columns {', '.join(few)} have a density, as all of dtype float; for "
            "probabilities name them in categorical_features or integer_features"
        )
    return messages


def _on_one_value(name: str, x: np.ndarray) -> list[str]:
    if np.ptp(x) > 0:
        return []
    return [
        f"column {name} has one value: its probability is near 1, and it tells "
        "nothing; drop it"
    ]


def _on_spikes(name: str, x: np.ndarray) -> list[str]:
    values, counts = np.unique(x, return_counts=True)
    if len(x) < ENOUGH_ROWS or counts.max() < _SPIKE * len(x):
        return []
    share = 100 * counts.max() / len(x)
    return [
        f"column {name} has the value {values[counts.argmax()]:g} in {share:.0f} % of "
        "the rows, where a density grows without bound; put an indicator of it in a "
        "column of its own (categorical_features)"
    ]


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
