"""Updates each variable by one operation of Adam instead of Keras' dozen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def fused_adam(
    optimizer: keras.optimizers.Optimizer, taken: tf.Tensor | None = None
) -> Iterator[None]:
    """Context manager in which Keras' Adam and AdamW update by `ResourceApplyAdam`.

    It computes the same formula in one pass over the memory, and needs no branch to
    leave out a step: a VAE's training step takes 0.87 of the CPU time
    (`benchmarks/special_cases.py adam`). Other optimizers, subclasses and `amsgrad` do
    not change.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv
    1412.6980, the order of computation at the end of section 2.

    Args:
      optimizer: A Keras optimizer, or a `LossScaleOptimizer` around it.
      taken: Boolean scalar, for an optimizer that `can_leave_out_steps`. If it is
        False, weights, moments and `iterations` do not change.
    """
    adam = getattr(optimizer, "inner_optimizer", optimizer)
    if not _is_known(adam):
        yield
        return

    numbers: dict[str, dict[str, tf.Tensor]] = {}  # of all weights of a dtype

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        if dtype not in numbers:
            numbers[dtype] = _numbers(adam, dtype, learning_rate, taken)
        _apply(adam, gradient, variable, numbers[dtype], taken)

    vars(adam)["update_step"] = update_step
    try:
        yield
    finally:
        vars(adam).pop("update_step", None)
    if taken is not None:  # Keras counts every call
        left_out = tf.cast(tf.logical_not(taken), adam.iterations.dtype)
        adam.iterations.assign_sub(left_out)


def can_leave_out_steps(optimizer: keras.optimizers.Optimizer) -> bool:
    """Returns whether `fused_adam` can leave out a step without a branch.

    A branch in the graph would receive each weight and its moments, which takes as long
    as the update of a small one. Keras' other work on weights (decay, averages,
    accumulation, constraints) needs a branch.
    """
    return _is_known(optimizer) and not (
        optimizer.weight_decay
        or optimizer.use_ema
        or optimizer.gradient_accumulation_steps
        or any(weight.constraint for weight in optimizer._trainable_variables)
    )


def _is_known(optimizer: keras.optimizers.Optimizer) -> bool:
    known = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    return known and not optimizer.amsgrad


def _numbers(
    adam: Any, dtype: str, learning_rate: Any, taken: tf.Tensor | None
) -> dict[str, tf.Tensor]:
    """Returns the scalars of `ResourceApplyAdam`, which all weights share."""
    step = tf.cast(adam.iterations + 1, dtype)
    # Not by tf.cast, which would first make them float32.
    beta_1, beta_2 = tf.constant(adam.beta_1, dtype), tf.constant(adam.beta_2, dtype)
    powers = beta_1**step, beta_2**step
    epsilon = tf.constant(adam.epsilon, dtype)
    learning_rate = tf.cast(learning_rate, dtype)
    if taken is not None:
        # Moments keep their values and add 0; the weight moves by 0.
        beta_1, beta_2 = tf.where(taken, beta_1, 1.0), tf.where(taken, beta_2, 1.0)
        learning_rate = tf.where(taken, learning_rate, 0.0)
        epsilon = tf.where(taken, epsilon, 1.0)  # else 0 / 0 if both it and v are 0
    return {
        "beta1_power": powers[0],
        "beta2_power": powers[1],
        "lr": learning_rate,
        "beta1": beta_1,
        "beta2": beta_2,
        "epsilon": epsilon,
    }


def _apply(
    adam: Any,
    gradient: Any,
    variable: Any,
    numbers: dict[str, tf.Tensor],
    taken: tf.Tensor | None,
) -> None:
    index, dtype = adam._get_variable_index(variable), variable.dtype
    gradient = tf.cast(gradient, dtype)
    if taken is not None:
        gradient = tf.where(taken, gradient, tf.zeros([], dtype))
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=adam._momentums[index].value.handle,
        v=adam._velocities[index].value.handle,
        grad=gradient,
        **numbers,
    )
