"""Whether XLA compiles the current trace.

`jit_compile` is decided elsewhere: by `compile` in fitting/train_step.py, by
`trainer.jit_compile` in zoo/config.py, and for exports in export/writing/compiled.py.
"""

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
