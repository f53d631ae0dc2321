"""Rows of a table as inputs of an exported model: checked one by one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Number = int | float
Row = tuple[Number, ...]


class BadRowError(ValueError):
    """A row that the model cannot take; its text is the reason."""


@dataclasses.dataclass(frozen=True)
class Block:
    """The columns of one input of the model.

    Attributes:
      name: "x" or "context".
      shape: That of one row.
      dtype: Name of the input's dtype.
      levels: Integers lie in [0, levels); None: all that the dtype holds.
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
        """The numbers of as many cells as there are columns.

        Raises:
          BadRowError: A cell is no number, is not finite in the input's dtype, or is no
            integer of the levels.
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
    if isinstance(cell, str) and "_" in cell:  # 1_000 is a number to Python alone
        raise BadRowError(f"expected numbers, got {cell!r}")
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        raise BadRowError(f"expected numbers, got {cell!r}") from None


@dataclasses.dataclass(frozen=True)
class RowFormat:
    """What a row of the table holds: the model's inputs, side by side.

    Attributes:
      blocks: The inputs x and, of a conditional model, context.
      columns: Names of the columns of x in the training data; None: they had none.
    """

    blocks: tuple[Block, ...]
    columns: tuple[str, ...] | None = None

    @property
    def size(self) -> int:
        """Number of columns."""
        return sum(block.size for block in self.blocks)

    def default_names(self) -> list[str]:
        """Names for columns without any: the training data's, or x1, x2, ..."""
        names = [
            f"{block.name}{i + 1}" for block in self.blocks for i in range(block.size)
        ]
        known = self.columns or ()
        return [*known, *names[len(known) :]]

    def row(self, cells: Sequence[Any]) -> Row:
        """The numbers of a row's cells.

        Raises:
          BadRowError: There are more or fewer cells than columns, or one does not fit.
        """
        if len(cells) != self.size:
            raise BadRowError(f"expected {self.size} columns, got {len(cells)}")
        return tuple(
            number
            for block, own in zip(self.blocks, self.split(cells), strict=True)
            for number in block.checked(own)
        )

    def split(self, cells: Sequence[Any]) -> list[Sequence[Any]]:
        """The cells of each block."""
        parts, start = [], 0
        for block in self.blocks:
            parts.append(cells[start : start + block.size])
            start += block.size
        return parts

    def inputs(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """The model's inputs for a batch of rows."""
        columns = self.split(list(zip(*rows, strict=True)))
        return {
            block.name: np.stack(
                [np.asarray(c, block.dtype) for c in own], axis=-1
            ).reshape(len(rows), *block.shape)
            for block, own in zip(self.blocks, columns, strict=True)
        }
