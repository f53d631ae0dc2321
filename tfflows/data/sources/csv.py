"""The user's own tables of text: `csv:` paths."""

import io
import itertools
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.sources.given_columns import take_out
from tfflows.data.sources.table_notices import check_names
from tfflows.data.sources.table_numbers import as_rows, check_file, to_float
from tfflows.data.split import split_source

_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


def load_csv(
    path: str,
    *,
    seed: int = 0,
    label_column: str | None = None,
    context_columns: Sequence[str] | None = None,
    label_as_context: bool = False,
) -> ArraySource:
    """Loads a comma-separated UTF-8 file of numbers as float32 rows.

    A first line in which every cell is a number is data; one in which no cell is,
    is the header.

    Args:
        path: the file.
        seed: fixes the splits: 80, 10 and 10 per cent of the rows.
        label_column: name of the column of class labels, which is then no data.
        context_columns: names of columns of numbers that the data depend on.
        label_as_context: whether batches carry the labels or context as "context".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no text, no data, a first line that is neither header nor data,
            rows of different lengths, or a cell that is no finite number (the
            message names file, line and column).
    """
    path = os.path.expanduser(path)
    check_file(path)
    lines, first = _text_lines(path)
    names = _header(path, lines[0], first)
    if names is not None:
        lines = lines[1:]
    if not lines:
        raise ValueError(f"{path}: expected rows of numbers, got a header line only")
    _require_commas(path, lines)
    frame = _read_csv(path, path, skiprows=lines[0] - 1)
    if names is not None and len(names) != frame.shape[1]:
        raise ValueError(
            f"{path}: expected {len(names)} columns as in the header, "
            f"got {frame.shape[1]}"
        )
    numbers = [str(column + 1) for column in frame.columns]
    frame.columns = pd.Index(numbers if names is None else names)
    check_names(list(frame.columns), path)

    def place(row: int) -> str:
        return f"line {lines[row]}"

    def numeric(part: pd.DataFrame) -> np.ndarray:
        return as_rows(part, path, place)

    wanted = label_column, context_columns
    frame, given = take_out(frame, path, place, numeric, *wanted)
    return split_source(
        f"csv:{path}",
        Examples(numeric(frame), given.labels),
        seed=seed,
        columns=None if names is None else tuple(map(str, frame.columns)),
        label_as_context=label_as_context,
        **given.options,
    )


def _text_lines(path: str) -> tuple[list[int], str]:
    """Returns the numbers (from 1) of the lines that are not blank, and the first."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            # pandas skips blank lines; messages have to count them.
            lines = []
            for i, line in enumerate(file, 1):
                if "\0" in line:
                    raise ValueError(f"{path}, line {i}: expected text, got a NUL byte")
                if line.strip():
                    lines.append(i)
            file.seek(0)
            first = next((line for line in file if line.strip()), "")
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path)) from error
    if not lines:
        raise ValueError(f"{path}: expected rows of numbers, got an empty file")
    return lines, first


def _not_utf8(path: str) -> str:
    """What is wrong with a file that is no UTF-8: its encoding, or all of it."""
    content = pathlib.Path(path).read_bytes()
    if b"\0" in content:
        return f"{path}: expected UTF-8 text, got binary data"
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            return (
                f"{path}, line {number}: expected UTF-8 text, got the byte "
                f"0x{byte:02x}, which is {bytes([byte]).decode('latin-1')!r} in "
                "latin-1: convert the file, for example with pandas: "
                "pd.read_csv(old, encoding='latin-1').to_csv(new, index=False)"
            )
    return f"{path}: expected UTF-8 text, got binary data"


def _require_commas(path: str, lines: list[int]) -> None:
    """Raises ValueError if cells stand between other delimiters than commas.

    Args:
      path: The file.
      lines: Numbers of the lines of data.
    """
    with open(path, encoding="utf-8-sig") as file:
        text = next(itertools.islice(file, lines[0] - 1, None)).strip()
    for delimiter, name in _DELIMITERS.items():
        cells = text.split(delimiter) if delimiter != " " else text.split()
        if len(cells) > 1 and all(map(_is_number_or_none, cells)):
            decimal = ", decimal=','" if "," in text else ""
            raise ValueError(
                f"{path}, line {lines[0]}: expected commas between cells, got {name}; "
                f"convert the file with pandas: pd.read_csv(old, sep={delimiter!r}"
                f"{decimal}).to_csv(new, index=False)"
            )


def _is_number_or_none(cell: str) -> bool:
    cell = cell.strip().strip('"')
    if cell.strip(",") != cell:  # commas are between cells
        return False
    return not cell or not math.isnan(to_float(cell.replace(",", ".", 1)))


def _header(path: str, line: int, text: str) -> list[str] | None:
    """Returns the column names, or None when the first line is data."""
    cells = _read_csv(path, io.StringIO(text), dtype=str, keep_default_na=False)
    names = [str(cell).strip() for cell in cells.iloc[0]]
    # pandas itself decides what a number is, so that header and body agree. Empty
    # cells count as numbers: in a row of data they are reported as missing.
    parsed = _read_csv(path, io.StringIO(text))
    is_number = [pd.api.types.is_numeric_dtype(dtype) for dtype in parsed.dtypes]
    if all(is_number):
        return None
    for column, (name, number) in enumerate(zip(names, is_number, strict=True), 1):
        if number:
            raise ValueError(
                f"{path}, line {line}: expected a header of names or a row of "
                f"numbers, got both ({name!r} in column {column}, among text); name "
                "every column, or mend the row"
            )
    return names


def _read_csv(path: str, source: Any, **options: Any) -> pd.DataFrame:
    try:
        # low_memory would guess types chunk by chunk.
        return pd.read_csv(
            source, header=None, low_memory=False, compression=None, **options
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path}: expected rows of equal length: {error}") from error
