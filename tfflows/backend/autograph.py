"""Keeps AutoGraph from rewriting the library's code, which does not need it.

A user's `tf.function` rewrites all Python code that it calls, to turn `if` and `for` on
tensors into graph operations. It leaves TensorFlow, Keras and TensorFlow Probability
alone; other packages must ask for that. Rewriting takes longer than tracing, seconds in
each process.
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import keras
import tensorflow as tf

_Class = TypeVar("_Class", bound=type)


def without_autograph(cls: _Class) -> _Class:
    """Class decorator that keeps AutoGraph from rewriting the class's public methods.

    What they call is not rewritten either. Methods that Keras knows do not change,
    because Keras does not rewrite them, and a callback in `fit` may need AutoGraph.
    User code that the methods call, such as networks, is not rewritten, as in `fit`:
    use `tf.cond` for an `if` on a tensor, or put it into its own `tf.function`.

    Args:
      cls: The class. Methods that a subclass overrides are not covered.
    """
    for name, value in list(vars(cls).items()):
        left_out = name.startswith("_") or hasattr(keras.Model, name)
        if inspect.isfunction(value) and (name == "__call__" or not left_out):
            setattr(cls, name, tf.autograph.experimental.do_not_convert(value))
    return cls
