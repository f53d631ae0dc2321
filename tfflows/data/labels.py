"""Labels of a user's own data: numbers of classes, and the names of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def numbered(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The classes of examples as numbers, and their names.

    Args:
        values: `[N]` of texts, integers or booleans.

    Returns:
        int64 `[N]` from 0 on, and the names: numbers in their order, texts in the
        alphabet's.
    """
    found, numbers = np.unique(values, return_inverse=True)
    return numbers.astype(np.int64).reshape(-1), tuple(map(str, found.tolist()))


def check_classes(name: str, splits: Sequence[Any], label_names: Sequence[str]) -> None:
    """Refuses classes that a model conditioned on the label could not learn.

    Args:
        name: the data set's name.
        splits: the labels `[N]` of the training split, then of the others.
        label_names: the names of the classes.

    Raises:
        ValueError: a class has one example, or none in the training split.
    """
    number = len(label_names)
    training, *others = (np.bincount(part, minlength=number) for part in splits)
    total = training + sum(others)
    for count, where in ((total, ""), (training, "for training, ")):
        least = 2 if not where else 1
        few = np.flatnonzero(count < least)
        if few.size:
            classes = ", ".join(f"{label_names[int(k)]!r} ({total[k]})" for k in few)
            raise ValueError(
                f"{name}: expected {least} examples or more of each class {where}with "
                f"label_as_context, got fewer of {classes}, of how many in all; add "
                "examples, leave the class out"
                + (", choose another seed of the data" if where else "")
                + ", or train without label_as_context"
            )
