"""Columns that hold codes: categories 0 .. c - 1, and integers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

# Beyond so many scales, an integer is as far away as any.
_FAR = 8.0


@dataclasses.dataclass(frozen=True)
class CodeColumns:
    """The columns of a table that have probabilities, categorical ones first.

    Attributes:
      categories: Number of categories of each categorical column.
      centers: Where the integers of each integer column lie about.
      scales: How far they spread, above 0.
      atoms: Integers of each integer column that get a probability of their own.
    """

    categories: tuple[int, ...] = ()
    centers: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    atoms: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> CodeColumns:
        """The columns of a config.

        Raises:
          ValueError: If it is none.
        """
        try:
            columns = cls(
                tuple(int(count) for count in config["categories"]),
                tuple(float(center) for center in config["centers"]),
                tuple(float(scale) for scale in config["scales"]),
                tuple(tuple(float(n) for n in own) for own in config["atoms"]),
            )
        except (TypeError, KeyError, ValueError, IndexError):
            columns = cls()
        numbers = len(columns.centers), len(columns.scales), len(columns.atoms)
        if not columns.size or len(set(numbers)) > 1:
            raise ValueError(
                "expected columns as the dict of CodeColumns.config(), of one column "
                f"or more, got {config!r}"
            )
        return columns

    def config(self) -> dict[str, Any]:
        """The columns as JSON values."""
        return {
            "categories": list(self.categories),
            "centers": list(self.centers),
            "scales": list(self.scales),
            "atoms": [list(own) for own in self.atoms],
        }

    @property
    def size(self) -> int:
        """Number of columns."""
        return len(self.categories) + len(self.centers)

    @property
    def widths(self) -> list[int]:
        """Number of features of each column."""
        return [*self.categories, *(1 + len(own) for own in self.atoms)]

    def features(self, codes: tf.Tensor) -> list[tf.Tensor]:
        """What networks see of codes `[B, G]`: for each column `[B, width]`.

        A category is one-hot; an integer is a standardised number, and one-hot if it is
        an atom.
        """
        columns = tf.unstack(codes, num=self.size, axis=-1)
        number = len(self.categories)
        found = [
            one_hot(code, count)
            for code, count in zip(columns, self.categories, strict=False)
        ]
        integers = zip(
            columns[number:], self.centers, self.scales, self.atoms, strict=True
        )
        for code, center, scale, atoms in integers:
            standard = tf.clip_by_value((code - center) / scale, -_FAR, _FAR)
            equal = code[:, tf.newaxis] == tf.constant([atoms], codes.dtype)
            parts = [standard[:, tf.newaxis], tf.cast(equal, codes.dtype)]
            found.append(tf.concat(parts, axis=-1))
        return found


def one_hot(code: tf.Tensor, count: int) -> tf.Tensor:
    """Rows `[B, count]` of codes `[B]`; zeros for other codes."""
    equal = code[:, tf.newaxis] == tf.range(count, dtype=code.dtype)
    return tf.cast(equal, code.dtype)


def are_valid(codes: tf.Tensor, categories: tuple[int, ...]) -> tf.Tensor:
    """Whether codes `[B, G]` are integers, and the first of known categories: `[B]`."""
    valid = tf.reduce_all(codes == tf.round(codes), axis=-1)
    own = codes[:, : len(categories)]
    below = own < tf.constant(categories, codes.dtype)
    return valid & tf.reduce_all((own >= 0) & below, axis=-1)
