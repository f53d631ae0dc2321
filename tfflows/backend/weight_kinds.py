"""What a weight is, where its shape does not tell.

A weight of a `Repeated` is those of many steps, stacked along a first axis; a
log-scale for each class has two axes and is no matrix. What treats a weight as a whole
(decay of matrices, clipping by a norm) asks here.
"""

from __future__ import annotations

import keras

# Attributes of Keras variables, as Keras' own `regularizer` and `constraint` are.
_STACKED, _ELEMENTWISE = "_tfflows_stacked_axes", "_tfflows_elementwise"


def mark_stack(stack: keras.Variable, of: keras.Variable) -> None:
    """Notes that a weight is many of the kind of another, along a new first axis."""
    setattr(stack, _STACKED, stacked_axes(of) + 1)
    setattr(stack, _ELEMENTWISE, getattr(of, _ELEMENTWISE, False))


def mark_elementwise(weight: keras.Variable) -> keras.Variable:
    """Notes that a weight of any rank is no matrix: shifts, scales, parameters."""
    setattr(weight, _ELEMENTWISE, True)
    return weight


def stacked_axes(weight: keras.Variable) -> int:
    """Number of first axes along which single steps' weights are stacked."""
    return getattr(weight, _STACKED, 0)


def is_matrix(weight: keras.Variable) -> bool:
    """Whether a weight, or each of a stack, is a matrix or a kernel."""
    if getattr(weight, _ELEMENTWISE, False):
        return False
    return len(weight.shape) - stacked_axes(weight) >= 2
