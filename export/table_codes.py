"""Translates cells of tables to the codes that a model takes, and back.

What is known of the columns is the `table` of an export's flow.json, which the
signature `info` repeats.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 8
# How a missing cell may be written.
_MISSING = ("", "nan", "none", "null", "<na>")


@dataclasses.dataclass(frozen=True)
class TableCodes:
    """The columns of a model's table, in order.

    Attributes:
      columns: Dicts with "name", "kind" and, of kind "category", "categories".
    """

    columns: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, table: Sequence[Mapping[str, Any]] | None) -> TableCodes | None:
        """The columns of a table, None for a model without one."""
        return None if table is None else cls(tuple(table))

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns; None if they have none."""
        names = tuple(column.get("name") for column in self.columns)
        return None if None in names else tuple(map(str, names))

    def is_category(self, place: int) -> bool:
        """Whether a column, by its number, is one of categories."""
        return self.columns[place]["kind"] == "category"

    def code(self, place: int, cell: Any) -> Any:
        """The code of a cell of categories; other cells as they are.

        Raises:
          ValueError: For a category that was not seen in training.
        """
        if not self.is_category(place):
            return cell
        categories = self.columns[place]["categories"]
        text = _text(cell)
        for number, category in enumerate(categories):
            if _text(category) == text:
                return number
        shown = ", ".join(str(category) for category in categories[:_SHOWN])
        more = ", ..." if len(categories) > _SHOWN else ""
        raise ValueError(
            f"expected in column {self._name(place)} a category that was seen in "
            f"training ({shown}{more}), got {cell!r}"
        )

    def cell(self, place: int, code: float) -> Any:
        """The category of a code; numbers of other columns as they are."""
        if not self.is_category(place):
            whole = self.columns[place]["kind"] == "integer"
            return int(code) if whole and math.isfinite(code) else code
        return self.columns[place]["categories"][int(code)]

    def codes(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """The numbers `[N][D]` of rows of cells.

        Raises:
          ValueError: For rows of another length, an unknown category or no number.
        """
        return [self._codes(number, row) for number, row in enumerate(rows)]

    def _codes(self, number: int, row: Sequence[Any]) -> list[float]:
        if len(row) != len(self.columns):
            raise ValueError(
                f"row {number}: expected {len(self.columns)} cells, got {len(row)}"
            )
        try:
            return [float(self.code(place, cell)) for place, cell in enumerate(row)]
        except (TypeError, ValueError) as error:
            raise ValueError(f"row {number}: {error}") from error

    def cells(self, x: Sequence[Sequence[float]]) -> list[list[Any]]:
        """Rows of cells of numbers `[N][D]`: the inverse of `codes`."""
        return [[self.cell(place, v) for place, v in enumerate(row)] for row in x]

    def _name(self, place: int) -> str:
        name = self.columns[place].get("name")
        return str(place + 1) if name is None else repr(name)


def _text(cell: Any) -> str:
    """A cell as text, alike for 3, 3.0 and "3", True and "true"."""
    text = "" if cell is None else str(cell).strip()
    if text.lower() in _MISSING:
        return ""
    if isinstance(cell, bool) or text in ("True", "False"):
        return text.lower()
    try:
        number = float(text)
    except ValueError:
        return text
    if "_" in text or not math.isfinite(number):
        return text
    return repr(number)
