"""Writes cells of csv files."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

# Text that spreadsheets read as a formula; -1.5 and +3 are numbers.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.]+([eE][+-]?[0-9]+)?$)")


def csv_line(cells: Iterable[Any]) -> str:
    """Joins cells to a line without its newline, and quotes those that need it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def warn_of_formulas(place: str, cells: Sequence[str]) -> None:
    """Warns on standard error about cells that a spreadsheet would run.

    Args:
      place: The file.
      cells: Texts written to the file. They do not change.
    """
    formulas = [cell for cell in cells if _FORMULA.match(cell)]
    if formulas:
        print(
            f"warning: a spreadsheet that opens {place} would run "
            f"{', '.join(map(repr, formulas))}: import such columns as text, or rename "
            "them in the training data",
            file=sys.stderr,
        )
