"""Activations that never fall and never rise steeper than 1, with their slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_GRID = np.concatenate([[-1e3], np.linspace(-30.0, 30.0, 1201), [1e3]])


def gentle_activation(activation: Any) -> Callable[[Any], Any]:
    """The Keras activation, if its slope h' is never below 0 nor above 1.

    Args:
      activation: Name of a Keras activation, or an element-wise function.

    Raises:
      ValueError: If it falls, or rises by more than its argument, between two points
        of a grid over [-1000, 1000].
    """
    function = keras.activations.get(activation)
    with tf.init_scope():
        values = tf.convert_to_tensor(function(tf.constant(_GRID))).numpy()
    slopes = np.diff(values) / np.diff(_GRID)
    low, high = slopes.min(), slopes.max()
    if not (low >= -1e-9 and high <= 1.0 + 1e-9):
        raise ValueError(
            "expected an activation with slopes from 0 to 1, such as 'tanh' or "
            f"'softplus', got {activation!r} with slopes from {low:.3g} to {high:.3g}"
        )
    return function


def value_and_slope(
    activation: Callable[[Any], Any], a: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """h(a) and h'(a), element by element; differentiable again."""
    with tf.GradientTape() as tape:
        tape.watch(a)
        value = activation(a)
    return value, tape.gradient(value, a)
