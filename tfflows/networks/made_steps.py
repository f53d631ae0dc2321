"""Evaluates a MADE input by input, to sample from an autoregressive flow.

D full passes would cost D times a training step. A hidden unit is final once its inputs
are known, so each step computes only the units that the newest input completes. All
steps together read each kernel about once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

State = tuple[tf.Tensor, ...]


class MADESteps:
    """The steps of one pass. Create it in the function that runs them.

    Tensors have the layout `[units, B]`, so that a slice of units is contiguous.

    Args:
      made: A built `MADE`.
      context: None or `[B, C]`.
    """

    def __init__(self, made: Any, context: Any) -> None:
        self._made = made
        layers = range(len(made.hidden_units))
        self._kernels = [tf.transpose(made.masked_kernel(layer)) for layer in layers]
        self._biases = [_column(made.biases[i], made.compute_dtype) for i in layers]
        self._slices = [_slices_by_degree(d, made.size) for d in made.degrees]
        shift = made.context_shift(context)
        self._shift = None if shift is None else tf.transpose(shift)
        # [D, num_params, H] and [D, num_params]: one row of each per input.
        shape = (made.num_params, made.size)
        last = tf.transpose(made.masked_kernel(-1))
        last = tf.reshape(last, (*shape, made.hidden_units[-1]))
        self._last_kernel = tf.transpose(last, [1, 0, 2])
        bias = tf.cast(made.biases[-1], made.compute_dtype)
        self._last_bias = tf.transpose(tf.reshape(bias, shape))

    def initial_state(self, batch_size: tf.Tensor) -> State:
        """Returns the hidden activations before the first step, `[H, B]` each."""
        dtype = self._made.compute_dtype
        return tuple(
            tf.zeros([units, batch_size], dtype) for units in self._made.hidden_units
        )

    def advance(
        self, i: tf.Tensor, x: tf.Tensor, state: State
    ) -> tuple[tf.Tensor, State]:
        """Completes the units that depend on the first i inputs.

        Args:
          i: Number of known inputs, 0 .. D - 1; grows by one per step.
          x: `[D, B]`; rows i and later are not used.
          state: The state that the previous step returned.

        Returns:
          The parameters of input i, `[B, num_params]`, and the new state.
        """
        below, previous = self._made.seen(x, axis=0), None
        activations = []
        for layer, activation in enumerate(state):
            starts, length = self._slices[layer]
            start = tf.gather(starts, i)
            new = tf.matmul(_rows(self._kernels[layer], start, length), below)
            new += _rows(self._biases[layer], start, length)
            if layer == 0 and self._shift is not None:
                new += _rows(self._shift, start, length)
            if layer > 0 and self._made.residual:
                new += previous
            rows = start + tf.range(length)
            below = tf.tensor_scatter_nd_update(
                activation, rows[:, tf.newaxis], self._made.activation(new)
            )
            activations.append(below)
            previous = new
        params = tf.matmul(self._last_kernel[i], below)
        params += self._last_bias[i][:, tf.newaxis]
        # Explicit axes: XLA cannot compile the gradient of a computed permutation.
        return tf.transpose(params, [1, 0]), tuple(activations)


def _rows(matrix: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    rows = tf.slice(matrix, [start, 0], [length, -1])
    return tf.ensure_shape(rows, (length, matrix.shape[1]))


def _column(bias: Any, dtype: Any) -> tf.Tensor:
    return tf.cast(bias, dtype)[:, tf.newaxis]


def _slices_by_degree(degrees: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Returns each degree's first unit, and the number of units to take from there.

    All slices have the length of the longest, so that a loop can use them. A slice may
    reach into the next degree, whose units are then computed again later. The last
    slices may begin in an earlier degree, whose units get the same values.
    """
    counts = np.bincount(degrees, minlength=size)[:size]
    length = max(int(counts.max()), 1)
    first = np.searchsorted(degrees, np.arange(size))
    return np.minimum(first, len(degrees) - length).astype("int32"), length
