"""Steps inside steps: what is accepted, and how it is built."""

from __future__ import annotations

from typing import Any

import tensorflow_probability as tfp

from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.tfp_step import TFPStep


def as_step(bijector: Any) -> FlowStep:
    """The bijector itself if it is a step, else wrapped by `TFPStep`.

    Raises:
      ValueError: If it is no `tfb.Bijector`.
    """
    if isinstance(bijector, FlowStep):
        return bijector
    if isinstance(bijector, tfp.bijectors.Bijector):
        return TFPStep(bijector)
    raise ValueError(
        f"expected a FlowStep or a tfb.Bijector, got {type(bijector).__name__}"
    )


def build_step(step: FlowStep, event_shape: tuple[int, ...]) -> FlowStep:
    """Builds a step for events of the shape, or checks one that is built.

    Raises:
      ValueError: If the step takes other events.
    """
    if not step.built:
        step.build((None, *event_shape))
    if step.data_event_shape != tuple(event_shape):
        raise ValueError(
            f"{step.name}: expected data events of shape {tuple(event_shape)}, got a "
            f"step built for {step.data_event_shape}"
        )
    return step
