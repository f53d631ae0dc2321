"""Flows whose columns are warped first: skewed and heavy-tailed tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfflows.bijectors import Chain, FlowStep, Standardize, TFPStep
from tfflows.models.flow import Flow


def warp_steps(size: int, dtype: Any) -> list[FlowStep]:
    """Returns the steps of a fixed sinh-arcsinh curve for each column.

    Data are standardised, and then taken through the inverse of TFP's `SinhArcsinh`,
    which starts as the identity. `set_warp` sets both; no training does.

    Args:
      size: Number of columns.
      dtype: Of the steps, a name.
    """
    skewness, tails = (
        tf.Variable(tf.fill((size,), tf.constant(value, dtype)), False, name=weight)
        for weight, value in (("skewness", 0.0), ("tails", 1.0))
    )
    curve = TFPStep(tfb.SinhArcsinh(skewness, tails), dtype=dtype)
    return [Standardize(dtype=dtype), curve]


def warped_flow(
    steps: Sequence[FlowStep],
    event_shape: Sequence[int],
    base: Any = None,
    *,
    dtype: Any,
    name: str,
) -> Flow:
    """Returns a flow whose columns are warped before its steps, see `warp_steps`.

    Args:
      steps: From data to latent, after the curves.
      event_shape: `(D,)`.
      base: As in `Flow`.
      dtype: Of all of it, a name.
      name: Of the flow.
    """
    warp = warp_steps(event_shape[0], dtype)
    return Flow(Chain([*warp, *steps], dtype=dtype), event_shape, base, name=name)


def set_warp(
    steps: Sequence[Any], shift: Any, scale: Any, skewness: Any, tails: Any
) -> None:
    """Sets the curves of a `warped_flow`.

    Args:
      steps: Built steps that begin with `warp_steps`.
      shift: What is taken from columns, `[D]`.
      scale: What they are then divided by, `[D]`.
      skewness: That of `SinhArcsinh`, `[D]`.
      tails: Its tail weight, `[D]`, above 0.
    """
    standardize, curve = steps[:2]
    set_standardization(standardize, shift, scale)
    for variable, value in (
        (curve.bijector.skewness, skewness),
        (curve.bijector.tailweight, tails),
    ):
        variable.assign(tf.cast(value, variable.dtype))


def set_standardization(step: Standardize, shift: Any, scale: Any) -> None:
    """Sets a built step, as its start from data would: shift and scale `[D]`."""
    step.shift.assign(tf.cast(shift, step.shift.dtype))
    step.log_scale.assign(tf.math.log(tf.cast(scale, step.log_scale.dtype)))
    step.initialized.assign(True)
