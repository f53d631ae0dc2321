"""A MADE evaluated input by input, as sampling from an autoregressive flow needs it.

D full passes would cost D times a training step. Since a hidden unit is final once the
inputs that it may see are known, each step computes only the slice of units that the
newest input completes: all steps together read each kernel about once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

State = tuple[tf.Tensor, ...]


class MADESteps:
    """The steps of one pass; made inside the function that takes them.

    Tensors are laid out `[units, B]`, so that a slice of units is contiguous.

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
        """Activations of the hidden layers, `[H, B]` each, before any step."""
        dtype = self._made.compute_dtype
        return tuple(
            tf.zeros([units, batch_size], dtype) for units in self._made.hidden_units
        )

    def advance(
        self, i: tf.Tensor, x: tf.Tensor, state: State
    ) -> tuple[tf.Tensor, State]:
        """Completes the units that see the first i inputs.

        Args:
          i: The number of known inputs, 0 .. D - 1, one more at each step.
          x: `[D, B]`; rows from i on are not used.
          state: What the step before returned.

        Returns:
          The parameters of input i, `[B, num_params]`, and the new state.
        """
        below, previous = tf.cast(x, self._made.compute_dtype), None
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
        # Explicit axes: a computed permutation would stop XLA in the gradient.
        return tf.transpose(params, [1, 0]), tuple(activations)


def _rows(matrix: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    rows = tf.slice(matrix, [start, 0], [length, -1])
    return tf.ensure_shape(rows, (length, matrix.shape[1]))


def _column(bias: Any, dtype: Any) -> tf.Tensor:
    return tf.cast(bias, dtype)[:, tf.newaxis]


def _slices_by_degree(degrees: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """First unit of each degree 0 .. size - 1, and how many units to take from there.

    All slices have the length of the longest, so that a loop can take them. A slice may
    reach into the next degree, whose units are computed again when their turn comes, or
    (at the end) begin in the degree before it, whose units come out the same.
    """
    counts = np.bincount(degrees, minlength=size)[:size]
    length = max(int(counts.max()), 1)
    first = np.searchsorted(degrees, np.arange(size))
    return np.minimum(first, len(degrees) - length).astype("int32"), length
