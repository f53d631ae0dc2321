"""Activations whose slope is between 0 and 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_activation

_GRID = np.concatenate([[-1e3], np.linspace(-30.0, 30.0, 12001), [1e3]])


def gentle_activation(activation: Any) -> Callable[[Any], Any]:
    """Returns the Keras activation if its slope h' is always in [0, 1].

    Args:
      activation: Name of a Keras activation, or an element-wise function of tensors
        of any float dtype.

    Raises:
      ValueError: If it is no such function, or if its slope between two points of a
        grid over [-1000, 1000] is outside [0, 1].
    """
    function = check_activation(activation)
    with tf.init_scope():
        values = _values(function)
    if values is None:
        raise ValueError(
            "expected an activation that maps each element of a tensor of any float "
            f"dtype by itself, in TensorFlow, got {activation!r}"
        )
    slopes = np.diff(values) / np.diff(_GRID)
    low, high = slopes.min(), slopes.max()
    if not (low >= -1e-9 and high <= 1.0 + 1e-9):
        raise ValueError(
            "expected an activation with slopes from 0 to 1, such as 'tanh' or "
            f"'softplus', got {activation!r} with slopes from {low:.5g} to {high:.5g}"
        )
    return function


def _values(function: Callable[[Any], Any]) -> np.ndarray | None:
    """Returns the values on the grid; None unless they are an element-wise tensor."""
    try:
        values, few = function(tf.constant(_GRID)), function(tf.constant(_GRID[::7]))
    except (TypeError, ValueError, tf.errors.InvalidArgumentError):
        return None
    if not isinstance(values, tf.Tensor) or values.shape != _GRID.shape:
        return None
    # A softmax, for example, gives other values for fewer points.
    same = np.allclose(values[::7], few, rtol=1e-6, atol=1e-9, equal_nan=True)
    return values.numpy() if same else None


def value_and_slope(
    activation: Callable[[Any], Any], a: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns h(a) and h'(a), element by element; both are differentiable."""
    with tf.GradientTape() as tape:
        tape.watch(a)
        value = activation(a)
    # For a constant, zero instead of None.
    return value, tape.gradient(
        value, a, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
