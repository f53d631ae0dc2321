"""Steps inside steps: what is accepted, and how it is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.tfp_step import TFPStep, tfp_dtype


def as_step(bijector: Any, dtype: Any = None) -> FlowStep:
    """The bijector itself if it is a step, else wrapped by `TFPStep`.

    Args:
      bijector: A flow step or any `tfb.Bijector`.
      dtype: Keras dtype policy of the wrapper; None: the bijector's own dtype.

    Raises:
      ValueError: If it is no `tfb.Bijector`.
    """
    if isinstance(bijector, FlowStep):
        return bijector
    if not isinstance(bijector, tfp.bijectors.Bijector):
        raise ValueError(
            f"expected a FlowStep or a tfb.Bijector, got {type(bijector).__name__}"
        )
    if any(isinstance(part, FlowStep) for part in bijector.submodules):
        return _as_own_composite(bijector)
    return TFPStep(bijector, dtype=dtype)


def check_steps(name: str, steps: Any) -> list[Any]:
    """The steps as a list.

    Raises:
      ValueError: For one step alone, or anything else that is no sequence.
    """
    if isinstance(steps, str | bytes | dict | np.ndarray) or not isinstance(
        steps, Iterable
    ):
        raise ValueError(
            f"expected {name} as a sequence of steps, got {type(steps).__name__}"
        )
    return list(steps)


def common_dtype(bijectors: list[Any]) -> Any:
    """The dtype policy of the first flow step or, without one, of the first bijector.

    Stock bijectors such as `tfb.Exp` take any dtype, and have none.
    """
    for bijector in bijectors:
        if isinstance(bijector, FlowStep):
            return bijector.dtype_policy
    dtypes = [tfp_dtype(bijector) for bijector in bijectors]
    return next((dtype for dtype in dtypes if dtype is not None), None)


def _as_own_composite(bijector: Any) -> FlowStep:
    # A stock composite shows Keras nothing of the steps in it: neither weights that
    # come with their build, nor their start from data, nor a context.
    from tfflows.bijectors.chain import Chain  # these two import this module
    from tfflows.bijectors.invert import Invert

    kind = type(bijector).__name__.lstrip("_")
    if kind == "Chain":
        return Chain(bijector.bijectors)
    if kind == "Invert":
        return Invert(bijector.bijector)
    raise ValueError(
        f"expected flow steps outside of a stock tfb.{kind}, got {bijector.name} with "
        "some inside; compose them with tfflows.bijectors.Chain and Invert"
    )


def build_step(
    step: FlowStep, event_shape: tuple[int, ...], dtype: tf.DType | None = None
) -> FlowStep:
    """Builds a step for events of the shape, or checks one that is built.

    Args:
      step: The step.
      event_shape: Shape of its data events.
      dtype: The flow dtype of what holds the step.

    Raises:
      ValueError: If the step takes other events, or computes in another dtype.
    """
    if dtype is not None and step.flow_dtype != dtype:
        raise ValueError(
            f"{step.name}: expected a step of dtype {dtype.name}, that of its "
            f"neighbours, got {step.flow_dtype.name}; give dtype= to each step"
        )
    if not step.built:
        step.build((None, *event_shape))
    if step.data_event_shape != tuple(event_shape):
        raise ValueError(
            f"{step.name}: expected data events of shape {tuple(event_shape)}, got a "
            f"step built for {step.data_event_shape}"
        )
    return step
