"""Adam by TensorFlow's one operation a variable, in place of Keras' dozen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def fused_adam(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Within it, `keras.optimizers.Adam` and `AdamW` update by `ResourceApplyAdam`.

    It computes what they do, the same formula in one pass over the memory; a flow has
    many small weights, and a dozen operations on each cost as much as its gradients.
    Other optimizers, subclasses, and `amsgrad` are left as they are.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv
    1412.6980, the order of computation at the end of section 2.

    Args:
      optimizer: A Keras optimizer, or a `LossScaleOptimizer` around it.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    known = type(inner) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    if not known or inner.amsgrad:
        yield
        return

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        _apply(inner, gradient, variable, learning_rate)

    vars(inner)["update_step"] = update_step
    try:
        yield
    finally:
        vars(inner).pop("update_step", None)


def _apply(adam: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    index, dtype = adam._get_variable_index(variable), variable.dtype
    step = tf.cast(adam.iterations + 1, dtype)
    # Not by tf.cast, which would first make them float32.
    beta_1, beta_2 = tf.constant(adam.beta_1, dtype), tf.constant(adam.beta_2, dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=adam._momentums[index].value.handle,
        v=adam._velocities[index].value.handle,
        beta1_power=beta_1**step,
        beta2_power=beta_2**step,
        lr=tf.cast(learning_rate, dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.constant(adam.epsilon, dtype),
        grad=tf.cast(gradient, dtype),
    )
