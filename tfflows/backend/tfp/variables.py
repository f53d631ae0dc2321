"""Finds variables that TFP objects use through functions, such as networks.

`tf.Module` finds only variables in attributes, and none of Keras 3 layers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp


def holds_code(obj: Any) -> bool:
    """Returns whether a bijector or distribution calls a user's code."""
    if not type(obj).__module__.startswith("tensorflow_probability."):
        return True
    own = tfp.bijectors.Bijector | tfp.distributions.Distribution
    return any(
        holds_code(part)
        if isinstance(part, own)
        else callable(part) and not isinstance(part, type | tf.DType)
        for part in tf.nest.flatten(list(obj.parameters.values()))
    )


def keras_variable(variable: tf.Variable, **kwargs: Any) -> keras.Variable:
    """Wraps a `tf.Variable` without a copy: one storage, two trackers.

    Args:
      variable: The variable.
      **kwargs: More arguments of `keras.Variable`.
    """
    wrapped = keras.Variable(
        variable,
        trainable=variable.trainable,
        dtype=variable.dtype,
        autocast=False,
        **kwargs,
    )
    if wrapped.value is not variable:  # Keras 3.6 copies it
        wrapped._value = variable
    return wrapped


def variables_read(
    function: Callable[[tf.Tensor], Any], x: tf.Tensor
) -> tuple[tf.Variable, ...]:
    """Returns all variables that a function reads.

    Args:
      function: A function of one tensor.
      x: Its argument, an eager tensor. Networks are built on it if needed.
    """
    if _gradients_are_recorded():
        return _traced(function, x)
    # Use a thread: in tf.init_scope no tape records, and FFJORD needs one.
    value = x.numpy()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: _traced(function, tf.constant(value))).result()


def _gradients_are_recorded() -> bool:
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = 2.0 * x
    return tape.gradient(y, x) is not None


def _traced(
    function: Callable[[tf.Tensor], Any], x: tf.Tensor
) -> tuple[tf.Variable, ...]:
    # Run once eagerly: networks cannot be built in a loop of a graph.
    function(tf.identity(x))
    traced = tf.function(function, autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec(x.shape, x.dtype)).graph
    # The order in which they are read is the same in each process.
    places = {id(handle): number for number, (handle, _) in enumerate(graph.captures)}
    return tuple(sorted(graph.variables, key=lambda v: places[id(v.handle)]))
