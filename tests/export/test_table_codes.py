"""Cells of tables become codes and come back."""

from __future__ import annotations

import pytest

from tfflows.export.scoring.rows import BadRowError, Block, RowFormat
from tfflows.export.table_codes import TableCodes

TABLE = TableCodes.of(
    [
        {"name": "colour", "kind": "category", "categories": ["red", "a, b", None]},
        {"name": "level", "kind": "category", "categories": [1.0, 2.5]},
        {"name": "new", "kind": "category", "categories": [False, True]},
        {"name": "count", "kind": "integer"},
        {"name": "x", "kind": "real", "step": 0.1},
    ]
)
ROWS = [["red", 1.0, False, 3, 0.5], ["a, b", 2.5, True, -1, 2.0]]
CODES = [[0, 0, 0, 3, 0.5], [1, 1, 1, -1, 2.0]]


def test_rows_become_codes_and_come_back():
    assert TABLE.codes(ROWS) == CODES
    assert TABLE.cells(CODES) == ROWS
    texts = [["red", "1", "false", "3", "0.5"], [" a, b", "2.50", "True", "-1", "2"]]
    assert TABLE.codes(texts) == CODES
    for missing in (None, "", "NaN", float("nan")):
        assert TABLE.code(0, missing) == 2
    assert TABLE.names == ("colour", "level", "new", "count", "x")
    assert TableCodes.of([{"name": None, "kind": "real"}]).names is None
    assert TableCodes.of(None) is None


def test_what_is_no_row_of_the_table_is_named():
    for row, message in (
        (
            ["blue", 1, False, 3, 0],
            r"row 1: .*'colour' a category .*\(red, a, b, None\)",
        ),
        (["red", 1, False, "x", 0], "row 1: could not convert"),
        (["red", 1], "row 1: expected 5 cells, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            TABLE.codes([ROWS[0], row])


def test_the_rows_of_files_hold_names():
    rows = RowFormat((Block("x", (5,), "float32"),), TABLE.names, TABLE)
    row = rows.row(["a, b", "2.5", "True", "-1", "2"])
    assert row == tuple(CODES[1])
    assert rows.cells(row) == ROWS[1]
    with pytest.raises(BadRowError, match="seen in training"):
        rows.row(["blue", "2.5", "True", "-1", "2"])
