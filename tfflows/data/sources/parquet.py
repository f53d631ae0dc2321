"""The user's own tables of columns: `parquet:` paths."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.sources.given_columns import take_out
from tfflows.data.sources.table_notices import check_names
from tfflows.data.sources.table_numbers import as_rows, check_file
from tfflows.data.split import split_source
from tfflows.system.extras import needed


def load_parquet(
    path: str,
    *,
    seed: int = 0,
    label_column: str | None = None,
    context_columns: Sequence[str] | None = None,
    label_as_context: bool = False,
) -> ArraySource:
    """Loads a Parquet file with numeric columns as float32 rows.

    Args:
        path: the file.
        seed: fixes the splits: 80, 10 and 10 per cent of the rows.
        label_column: name of the column of class labels, which is then no data.
        context_columns: names of columns of numbers that the data depend on.
        label_as_context: whether batches carry the labels or context as "context".

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: pyarrow is missing.
        ValueError: no Parquet file, no data, or a cell that is no finite number (the
            message names file, row (from 1) and column).
    """
    path = os.path.expanduser(path)
    check_file(path)
    with needed("parquet", "pyarrow for parquet files"):
        import pyarrow.parquet
    try:
        schema = pyarrow.parquet.read_schema(path)
        frame = pd.read_parquet(path)
    except Exception as error:  # broken bytes raise whatever they run into
        raise ValueError(f"{path}: expected a Parquet file: {error}") from error
    if frame.empty:
        raise ValueError(f"{path}: expected rows of numbers, got {frame.shape}")
    check_names(tuple(map(str, frame.columns)), path)

    def place(row: int) -> str:
        return f"row {row + 1}"

    def numeric(part: pd.DataFrame) -> np.ndarray:
        x = as_rows(part, path, place)
        _require_numbers(path, schema, tuple(map(str, part.columns)))
        return x

    wanted = label_column, context_columns
    frame, given = take_out(frame, path, place, numeric, *wanted)
    return split_source(
        f"parquet:{path}",
        Examples(numeric(frame), given.labels),
        seed=seed,
        columns=tuple(map(str, frame.columns)),
        label_as_context=label_as_context,
        **given.options,
    )


def _require_numbers(path: str, schema: Any, names: tuple[str, ...]) -> None:
    """Refuses columns of text that reads as numbers, which are most likely codes."""
    import pyarrow as pa

    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    for field in schema:
        if field.name in names and not any(is_kind(field.type) for is_kind in kinds):
            raise ValueError(
                f"{path}, column {field.name!r}: expected a column of numbers, got one "
                f"of {field.type}; convert it to numbers, or leave it out"
            )
