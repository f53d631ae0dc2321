"""Signatures that XLA compiles, for servers that are told to allow it."""

from __future__ import annotations

import tensorflow as tf

from tfflows.export.writing.endpoints import Endpoint, Outputs, make_endpoint


def compiled(endpoint: Endpoint) -> Endpoint:
    """The endpoint, compiled by XLA; one with an input without batch axis as it is.

    XLA drops assertions. They run beside it, uncompiled: of a graph of the same
    function that returns nothing, TensorFlow keeps what they need and no more.

    Args:
      endpoint: Of a model whose steps can all be compiled.
    """
    specs = endpoint.inputs
    if not all(spec.shape.rank and spec.shape[0] is None for spec in specs):
        return endpoint  # the number of samples would be a shape, which XLA has to know

    def asserting(*values: tf.Tensor) -> None:
        endpoint.function(*values)

    assertions = tf.function(asserting, autograph=False)
    program = tf.function(endpoint.function, autograph=False, jit_compile=True)

    def run(*values: tf.Tensor) -> Outputs:
        assertions(*values)
        return program(*values)

    return make_endpoint(run, *specs)
