"""What pictures share: a figure that notebooks show, and checks of tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfflows.system.extras import needed

with needed("plots", "matplotlib for pictures"):
    from matplotlib.figure import Figure


class Shown(Figure):
    """A figure that a notebook shows by itself, without `%matplotlib inline`."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def tables(
    x: Any, samples: Any, columns: Sequence[str] | None
) -> tuple[np.ndarray, Any, list[str]]:
    """Rows of numbers, samples of as many columns, and the columns' names."""
    names = list(map(str, x.columns)) if isinstance(x, pd.DataFrame) else None
    arrays = {"x": np.asarray(x)}
    if samples is not None:
        arrays["samples"] = np.asarray(samples)
    size = arrays["x"].shape[-1] if arrays["x"].ndim else 0
    for name, value in arrays.items():
        fits = value.ndim == 2 and value.shape[1] == size and len(value) and size
        if not fits or value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            raise ValueError(
                f"expected {name} as rows [N, {size or 'D'}] of finite numbers, got "
                f"shape {value.shape}, dtype {value.dtype}"
            )
    names = list(columns or names or (f"x{k}" for k in range(size)))
    if len(names) != size:
        raise ValueError(f"expected a name for each of {size} columns, got {names}")
    return arrays["x"], arrays.get("samples"), names
