"""Cells of csv files that we write."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

# What spreadsheets take for a formula; -1.5 and +3 are numbers.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.]+([eE][+-]?[0-9]+)?$)")


def csv_line(cells: Iterable[Any]) -> str:
    """Joins cells to a line, without its end, and quotes those that need it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def warn_of_formulas(place: str, cells: Sequence[str]) -> None:
    """Names on standard error the cells that a spreadsheet would run.

    Args:
      place: The file.
      cells: Text that is written there; it stays as it is, for other programs.
    """
    formulas = [cell for cell in cells if _FORMULA.match(cell)]
    if formulas:
        print(
            f"warning: a spreadsheet that opens {place} would run "
            f"{', '.join(map(repr, formulas))}: import such columns as text, or rename "
            "them in the training data",
            file=sys.stderr,
        )
