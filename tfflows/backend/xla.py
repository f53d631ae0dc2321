"""Whether XLA compiles what is being traced."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.ops import control_flow_util


def in_xla() -> bool:
    """Whether this is the trace of a function that XLA compiles, or of one within it.

    A plain `tf.function` that was traced outside of XLA first is not traced again when
    a compiled function calls it.
    """
    graph = tf.compat.v1.get_default_graph()
    return bool(control_flow_util.GraphOrParentsInXlaContext(graph))
