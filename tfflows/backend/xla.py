"""Whether XLA compiles the current trace."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.ops import control_flow_util


def in_xla() -> bool:
    """Returns whether XLA compiles the current trace.

    A plain `tf.function` that was first traced outside of XLA keeps that trace when a
    compiled function calls it.
    """
    graph = tf.compat.v1.get_default_graph()
    return bool(control_flow_util.GraphOrParentsInXlaContext(graph))
