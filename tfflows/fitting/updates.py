"""Runs one step of the optimizer with the gradients of all replicas, or none."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.weight_kinds import stacked_axes
from tfflows.fitting.fused_adam import can_leave_out_steps, fused_adam
from tfflows.fitting.replica_sums import sum_over_replicas
from tfflows.fitting.skipped_steps import SkippedSteps

_LOSS_SCALE = 2.0**15  # Keras' own, for a loss of one term
# float16 spans 2^-24 to 2^16, so a scale this low finds no gradients any more.
_SMALLEST_SHARE = 2.0**-40


def scaling_the_loss(
    optimizer: keras.optimizers.Optimizer, policy: keras.DTypePolicy, terms: int
) -> keras.optimizers.Optimizer:
    """Returns the optimizer, with dynamic loss scaling if gradients are float16.

    Keras starts at 2^15, for a loss of order 1. A log-density is a sum over the
    dimensions of an event, and a kernel's gradient a sum over positions. Here, the
    scale starts at 2^15 divided by the number of terms, so that a training does not
    start with many left-out steps.

    Args:
      optimizer: A Keras optimizer; a `LossScaleOptimizer` keeps its scale.
      policy: The model's policy; only "mixed_float16" needs scaling.
      terms: Number of terms in the loss of an example.

    Returns:
      A `LossScaleOptimizer`, or the optimizer itself.
    """
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if policy.name != "mixed_float16" or scales:
        return optimizer
    initial = _LOSS_SCALE / 2.0 ** round(math.log2(terms))
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=initial)


def take_step(
    optimizer: keras.optimizers.Optimizer,
    loss: tf.Tensor,
    gradients: Sequence[Any],
    weights: Sequence[keras.Variable],
    skipped: SkippedSteps,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums the gradients over replicas and applies them if all is finite.

    Keras clips a replica's share and looks for infinities in it before it sums. The
    clipping would depend on the number of replicas, and one replica could skip a step
    that another takes. Here, the sum comes first and is the same on all replicas.

    Args:
      optimizer: The built optimizer.
      loss: This replica's share of the loss, a scalar.
      gradients: Gradients of the (scaled) share; None for a weight without one.
      weights: Their weights.
      skipped: Counts the step.

    Returns:
      Whether the step was taken, and whether it counts in the metrics: boolean
      scalars, the same on all replicas. A step that a `LossScaleOptimizer` leaves out
      to find its scale counts although it was not taken.
    """
    present = [gradient for gradient in gradients if gradient is not None]
    loss, *present = sum_over_replicas([loss, *map(tf.convert_to_tensor, present)])
    loss_is_finite = tf.math.is_finite(loss)
    # A sum is finite only if all its terms are: one pass without a tensor of flags.
    sums = [tf.cast(tf.reduce_sum(gradient), loss.dtype) for gradient in present]
    finite = tf.reduce_all(tf.math.is_finite(tf.stack([loss, *sums])))

    def apply(*gradients_here: tf.Tensor, taken: tf.Tensor | None = None) -> None:
        rest = iter(gradients_here)
        filled = [None if old is None else next(rest) for old in gradients]
        pairs = list(zip(filled, weights, strict=True))
        with (
            _summed_already(optimizer),
            _clipping_each_step(optimizer, [w for g, w in pairs if g is not None]),
            fused_adam(optimizer, taken),
        ):
            optimizer.apply_gradients(pairs)

    if hasattr(optimizer, "dynamic_scale"):  # it skips by itself, to find its scale
        poison = tf.where(finite, 0.0, float("nan"))
        apply(*(gradient + tf.cast(poison, gradient.dtype) for gradient in present))
        counts = finite | (loss_is_finite & _is_searching(optimizer))
        _assigning(lambda run, flag: skipped.count(flag), counts)
        return finite, counts
    if can_leave_out_steps(optimizer):
        apply(*present, taken=finite)
        _assigning(lambda run, flag: skipped.count(flag), finite)
    else:

        def update(run: Any, flag: tf.Tensor, *values: Any) -> None:
            tf.cond(flag, lambda: run(apply, values), lambda: None)
            skipped.count(flag)

        _assigning(update, finite, *present)
    return finite, finite


def _is_searching(optimizer: keras.optimizers.LossScaleOptimizer) -> tf.Tensor:
    smallest = optimizer.initial_scale * _SMALLEST_SHARE
    return tf.convert_to_tensor(optimizer.dynamic_scale) > smallest


def _assigning(update: Any, flag: tf.Tensor, *values: tf.Tensor) -> None:
    """Calls `update(run, flag, *values)` in a context where tf.cond may assign.

    In a replica of a mirrored strategy it may not, because assignments wait for all
    replicas. There, `update` is called once for all, and `run(function, values)` calls
    a function on each.
    """
    distribute = tf.__internal__.distribute
    if distribute.strategy_supports_no_merge_call():
        update(lambda function, values: function(*values), flag, *values)
        return

    def across(strategy: tf.distribute.Strategy, flags: Any, *values: Any) -> None:
        flag = strategy.experimental_local_results(flags)[0]
        update(strategy.extended.call_for_each_replica, flag, *values)

    tf.distribute.get_replica_context().merge_call(across, args=(flag, *values))


@contextlib.contextmanager
def _summed_already(optimizer: Any) -> Iterator[None]:
    """Keeps a Keras optimizer from summing gradients over replicas again."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    vars(inner)["_all_reduce_sum_gradients"] = list
    try:
        yield
    finally:
        vars(inner).pop("_all_reduce_sum_gradients", None)


@contextlib.contextmanager
def _clipping_each_step(
    optimizer: Any, weights: Sequence[keras.Variable]
) -> Iterator[None]:
    """Makes `clipnorm` treat a stack of weights as the weights of single steps.

    Args:
      optimizer: A Keras optimizer.
      weights: The weights that have gradients.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    axes = [
        list(range(number, len(weight.shape))) if number else None
        for weight, number in zip(weights, map(stacked_axes, weights), strict=True)
    ]
    if not inner.clipnorm or not any(axis is not None for axis in axes):
        yield
        return

    def clip(gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        pairs = zip(gradients, axes, strict=True)
        return [inner._clip_by_norm(gradient, axis) for gradient, axis in pairs]

    vars(inner)["_clip_gradients"] = clip
    try:
        yield
    finally:
        vars(inner).pop("_clip_gradients", None)
