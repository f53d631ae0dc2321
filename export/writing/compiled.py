"""Compiles signatures with XLA, for servers that allow it."""

from __future__ import annotations

import tensorflow as tf

from tfflows.export.writing.endpoints import Endpoint, Outputs, make_endpoint


def compiled(endpoint: Endpoint) -> Endpoint:
    """Returns the endpoint compiled by XLA if all its inputs have a batch axis.

    XLA drops assertions. They run uncompiled beside it, in a graph of the same function
    that returns nothing: TensorFlow keeps only the nodes that they need.

    Args:
      endpoint: An endpoint of a model whose steps can all be compiled.
    """
    specs = endpoint.inputs
    if not all(spec.shape.rank and spec.shape[0] is None for spec in specs):
        return endpoint  # the number of samples is a shape, which XLA must know

    def asserting(*values: tf.Tensor) -> None:
        endpoint.function(*values)

    assertions = tf.function(asserting, autograph=False)
    program = tf.function(endpoint.function, autograph=False, jit_compile=True)

    def run(*values: tf.Tensor) -> Outputs:
        assertions(*values)
        return program(*values)

    return make_endpoint(run, *specs)
