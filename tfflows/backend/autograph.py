"""AutoGraph left out of the library's code, which needs none.

A user's `tf.function` rewrites all Python code that it calls, to turn `if` and `for` on
tensors into graph operations, unless told not to. TensorFlow, Keras and TensorFlow
Probability are on its list of packages to leave alone; others have to say so. The
rewriting takes longer than the trace: seconds in each process (docs/performance.md).
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import keras
import tensorflow as tf

_Class = TypeVar("_Class", bound=type)


def without_autograph(cls: _Class) -> _Class:
    """A class decorator: its own public methods, and what they call, are not rewritten.

    Those that Keras knows are left as they are: it calls them unrewritten itself, and a
    callback in `fit` may need AutoGraph. Code of users that the others call, as their
    networks, is not rewritten either, as it is not in `fit`: an `if` on a tensor there
    has to be a `tf.cond`, or stand in a `tf.function` of its own.

    Args:
      cls: The class. Methods that a subclass overrides are its own matter.
    """
    for name, value in list(vars(cls).items()):
        left_out = name.startswith("_") or hasattr(keras.Model, name)
        if inspect.isfunction(value) and (name == "__call__" or not left_out):
            setattr(cls, name, tf.autograph.experimental.do_not_convert(value))
    return cls
