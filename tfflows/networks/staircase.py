"""Products with masked kernels that skip most of the zeros."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

# Minimum columns in a block: smaller products run more slowly.
_BLOCK_COLUMNS = 128
_MOST_BLOCKS = 4


class StaircaseProduct:
    """Computes x @ (kernel * mask), where column j of mask is 1 in its first r_j rows.

    r_j must not fall from one column to the next. The columns are cut into n blocks,
    each of which needs only the inputs of its last column. This is (n + 1) / (2 n) of
    the work of the whole product, also in both gradients.

    Args:
      mask: `[n_in, n_out]` of 0 and 1. If it is no staircase, or too narrow to be worth
        cutting, one block is used.
    """

    def __init__(self, mask: np.ndarray) -> None:
        rows, columns = mask.shape
        self._mask = mask
        num_blocks = min(_MOST_BLOCKS, min(rows, columns) // _BLOCK_COLUMNS)
        if num_blocks < 2 or not _is_staircase(mask):
            num_blocks = 1
        edges = np.linspace(0, columns, num_blocks + 1).astype(int)
        # Blocks before b need the rows before tops[b]. Block b also needs the rows from
        # tops[b] to tops[b + 1].
        tops = [0, *(int(mask[:, :edge].any(axis=1).sum()) for edge in edges[1:])]
        tops[-1] = rows
        self._columns = list(itertools.pairwise(edges.tolist()))
        self._rows = list(itertools.pairwise(tops))

    def masked(self, kernel: tf.Tensor) -> tf.Tensor:
        """Returns the kernel `[n_in, n_out]` with its zeros."""
        return kernel * tf.cast(self._mask, kernel.dtype)

    def __call__(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Maps `[B, n_in]`, `[n_in, n_out]` to `[B, n_out]`."""
        if len(self._columns) == 1:
            return tf.matmul(x, self.masked(kernel))
        return self._product(x, kernel)

    @property
    def _product(self) -> Any:
        @tf.custom_gradient
        def product(x: tf.Tensor, kernel: tf.Tensor) -> Any:
            weights = self.masked(kernel)
            y = [
                tf.matmul(x[:, :bottom], weights[:bottom, left:right])
                for (left, right), (_, bottom) in self._blocks()
            ]

            def gradients(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                return self._of_inputs(dy, weights), self._of_kernel(x, dy)

            return tf.concat(y, axis=1), gradients

        return product

    def _blocks(self) -> Any:
        return zip(self._columns, self._rows, strict=True)

    def _of_inputs(self, dy: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        # Block b's rows are used by its first column and all later ones.
        parts = [
            tf.matmul(dy[:, left:], weights[top:bottom, left:], transpose_b=True)
            for (left, _), (top, bottom) in self._blocks()
        ]
        return tf.concat(parts, axis=1)

    def _of_kernel(self, x: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
        parts = []
        for (left, right), (_, bottom) in self._blocks():
            part = tf.matmul(x[:, :bottom], dy[:, left:right], transpose_a=True)
            parts.append(tf.pad(part, [[0, self._mask.shape[0] - bottom], [0, 0]]))
        return self.masked(tf.concat(parts, axis=1))


def _is_staircase(mask: np.ndarray) -> bool:
    falls_down = (np.diff(mask, axis=0) <= 0).all()
    grows = (np.diff(mask, axis=1) >= 0).all()
    return bool(falls_down and grows)
