"""Records what a weight is if its shape does not tell.

A weight of a `Repeated` holds the weights of many steps, stacked along a first axis. A
log-scale for each class has two axes but is no matrix. Code that treats a weight as a
whole (weight decay, clipping by a norm) asks this module.
"""

from __future__ import annotations

import keras

# Attributes of Keras variables, as Keras' own `regularizer` and `constraint` are.
_STACKED, _ELEMENTWISE = "_tfflows_stacked_axes", "_tfflows_elementwise"


def mark_stack(stack: keras.Variable, of: keras.Variable) -> None:
    """Marks a weight as a stack of weights like another, along a new first axis."""
    setattr(stack, _STACKED, stacked_axes(of) + 1)
    setattr(stack, _ELEMENTWISE, getattr(of, _ELEMENTWISE, False))


def mark_elementwise(weight: keras.Variable) -> keras.Variable:
    """Marks a weight of any rank as no matrix, for example a shift or a scale."""
    setattr(weight, _ELEMENTWISE, True)
    return weight


def stacked_axes(weight: keras.Variable) -> int:
    """Returns the number of first axes along which steps' weights are stacked."""
    return getattr(weight, _STACKED, 0)


def is_matrix(weight: keras.Variable) -> bool:
    """Returns whether a weight, or each weight in a stack, is a matrix or kernel."""
    if getattr(weight, _ELEMENTWISE, False):
        return False
    return len(weight.shape) - stacked_axes(weight) >= 2
