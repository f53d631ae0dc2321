"""Variables of TFP objects that call functions: those of networks in closures.

`tf.Module` finds the variables of attributes only, and of no Keras 3 layer.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp


def holds_code(obj: Any) -> bool:
    """Whether a bijector or distribution calls functions or classes of users."""
    if not type(obj).__module__.startswith("tensorflow_probability."):
        return True
    own = tfp.bijectors.Bijector | tfp.distributions.Distribution
    return any(
        holds_code(part)
        if isinstance(part, own)
        else callable(part) and not isinstance(part, type | tf.DType)
        for part in tf.nest.flatten(list(obj.parameters.values()))
    )


def variables_read(
    function: Callable[[tf.Tensor], Any], x: tf.Tensor
) -> tuple[tf.Variable, ...]:
    """The variables that a function reads, wherever they are.

    Args:
      function: Of one tensor.
      x: Its argument, an eager tensor: networks that are not built yet, are on it.
    """
    if _gradients_are_recorded():
        return _traced(function, x)
    # Below tf.init_scope no tape records, and FFJORD needs one. A thread starts afresh.
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
    # Once eagerly: networks that build on first use could not, in a loop of a graph.
    function(tf.identity(x))
    traced = tf.function(function, autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec(x.shape, x.dtype)).graph
    # In the order in which they are read, the same in each process.
    places = {id(handle): number for number, (handle, _) in enumerate(graph.captures)}
    return tuple(sorted(graph.variables, key=lambda v: places[id(v.handle)]))
