"""Checks rows of a table, and turns them into inputs of an exported model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfflows.export.table_codes import TableCodes

Number = int | float
Row = tuple[Number, ...]


class BadRowError(ValueError):
    """A row that the model cannot take. The text is the reason."""


@dataclasses.dataclass(frozen=True)
class Block:
    """The columns for one input of the model.

    Attributes:
      name: "x" or "context".
      shape: Shape of one row.
      dtype: Name of the input's dtype.
      levels: Integers must be in [0, levels); None: any in the dtype's range.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    levels: int | None = None

    @property
    def size(self) -> int:
        """Number of columns."""
        return math.prod(self.shape)

    @property
    def is_integer(self) -> bool:
        """Returns whether its numbers are integers."""
        return np.dtype(self.dtype).kind in "iu"

    def checked(self, cells: Sequence[Any]) -> Row:
        """Returns the numbers of cells, one for each column.

        Raises:
          BadRowError: If a cell is no number, is not finite in the input's dtype, or is
            no integer within the levels.
        """
        numbers = [_number(cell) for cell in cells]
        if self.is_integer:
            return tuple(self._integer(number) for number in numbers)
        with np.errstate(over="ignore"):
            finite = np.isfinite(np.asarray(numbers, self.dtype))
        if not finite.all():
            value = numbers[int(np.argmin(finite))]
            raise BadRowError(f"expected finite numbers, got {value} as {self.dtype}")
        return tuple(numbers)

    def _integer(self, number: float) -> int:
        low, high = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
        if self.levels is not None:
            low, high = 0, self.levels - 1
        if not math.isfinite(number) or number != int(number):
            raise BadRowError(f"expected integers, got {number}")
        if not low <= number <= high:
            raise BadRowError(
                f"expected integers from {low} to {high}, got {number:.0f}"
            )
        return int(number)


def _number(cell: Any) -> float:
    if isinstance(cell, str) and "_" in cell:  # only Python reads 1_000 as a number
        raise BadRowError(f"expected numbers, got {cell!r}")
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        raise BadRowError(f"expected numbers, got {cell!r}") from None


@dataclasses.dataclass(frozen=True)
class RowFormat:
    """The format of a row: the columns of all inputs of the model.

    Attributes:
      blocks: The input x and, for a conditional model, context.
      columns: Names of the columns of x in the training data, or None.
      table: The categories of the columns of x, or None.
    """

    blocks: tuple[Block, ...]
    columns: tuple[str, ...] | None = None
    table: TableCodes | None = None

    @property
    def size(self) -> int:
        """Number of columns."""
        return sum(block.size for block in self.blocks)

    def default_names(self) -> list[str]:
        """Returns names for unnamed columns: the training data's, or x1, x2, ..."""
        names = [
            f"{block.name}{i + 1}" for block in self.blocks for i in range(block.size)
        ]
        known = self.columns or ()
        return [*known, *names[len(known) :]]

    def row(self, cells: Sequence[Any]) -> Row:
        """Returns the numbers in a row's cells, those of categories as codes.

        Raises:
          BadRowError: If the number of cells is wrong or a cell does not fit.
        """
        if len(cells) != self.size:
            raise BadRowError(f"expected {self.size} columns, got {len(cells)}")
        cells = self._codes(cells)
        return tuple(
            number
            for block, own in zip(self.blocks, self.split(cells), strict=True)
            for number in block.checked(own)
        )

    def _codes(self, cells: Sequence[Any]) -> Sequence[Any]:
        if self.table is None:
            return cells
        known = len(self.table.columns)
        try:
            own = [self.table.code(i, cell) for i, cell in enumerate(cells[:known])]
        except ValueError as error:
            raise BadRowError(str(error)) from None
        return [*own, *cells[known:]]

    def cells(self, row: Row) -> list[Any]:
        """Returns a row's numbers, and categories in the place of codes."""
        if self.table is None:
            return list(row)
        known = len(self.table.columns)
        return [*self.table.cells([row[:known]])[0], *row[known:]]

    def split(self, cells: Sequence[Any]) -> list[Sequence[Any]]:
        """Returns the cells of each block."""
        parts, start = [], 0
        for block in self.blocks:
            parts.append(cells[start : start + block.size])
            start += block.size
        return parts

    def inputs(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """Returns the model's inputs for a batch of rows."""
        columns = self.split(list(zip(*rows, strict=True)))
        return {
            block.name: np.stack(
                [np.asarray(c, block.dtype) for c in own], axis=-1
            ).reshape(len(rows), *block.shape)
            for block, own in zip(self.blocks, columns, strict=True)
        }
