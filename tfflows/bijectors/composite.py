"""The base class of steps made of steps, and helpers for their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeGuard

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfflows.backend import domains
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.recompute import Pass
from tfflows.bijectors.shapes import no_log_det
from tfflows.bijectors.tfp_step import TFPStep, tfp_dtype

Run = Callable[[FlowStep, tf.Tensor, str], tf.Tensor]


class Composite(FlowStep):
    """A step made of steps, whose properties follow from its parts.

    A subclass names its argument for the parts, and its attribute, in `argument`. It
    builds the parts with `build_step`, data side first. If its passes do more than run
    the parts in order, it overrides `_walk` and sets `is_sequence = False`.

    Args:
      parts: The steps.
      **kwargs: Arguments of `FlowStep`; `dtype` None: the first step's.
    """

    argument = "steps"
    is_sequence = True
    hands_context_on = True  # the context of its parts is its own

    def __init__(self, parts: Sequence[FlowStep], **kwargs: Any) -> None:
        if kwargs.get("dtype") is None and parts:
            kwargs["dtype"] = parts[0].dtype_policy
        super().__init__(**kwargs)
        self.shape_preserving = all(part.shape_preserving for part in parts)
        self.has_inverse = all(part.has_inverse for part in parts)
        self.onto = all(map(domains.is_onto, parts))
        self.supports_jit = all(part.supports_jit for part in parts)

    def _parts(self) -> list[FlowStep]:
        """Returns the steps, data side first; Keras would save a property's value."""
        parts = getattr(self, self.argument)
        return parts if isinstance(parts, list) else [parts]

    @property
    def is_initialized(self) -> bool:
        """Returns whether all parts that need it were initialised from data."""
        return all(part.is_initialized for part in self._parts())

    def _in_order(self, direction: str) -> list[tuple[FlowStep, str]]:
        """Returns the parts in the order of a pass, each with its own direction."""
        return [(part, direction) for part in ordered(self._parts(), direction)]

    def _walk(self, value: tf.Tensor, direction: str, run: Run) -> tf.Tensor:
        """Passes a value through the parts with `run(part, value, direction)`."""
        for part, way in self._in_order(direction):
            value = run(part, value, way)
        return value

    def passes(self, direction: str) -> list[Pass]:
        """Returns the parts' passes in a direction, in the order in which they run."""
        parts = self._in_order(direction)
        return [one for part, way in parts for one in passes_of(part, way)]

    def _through(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_det = no_log_det(value)

        def run(part: FlowStep, value: tf.Tensor, way: str) -> tf.Tensor:
            nonlocal log_det
            value, own = part._fused_pass(way)(value, context)
            log_det += own
            return value

        return self._walk(value, direction, run), log_det

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(z, context, "forward")

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(x, context, "inverse")

    def _forward_as_inverse(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(z, context, "forward_as_inverse")

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        def run(part: FlowStep, value: tf.Tensor, way: str) -> tf.Tensor:
            return part._initialize(value, context, way)

        return self._walk(value, direction, run)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        parts = keras.saving.serialize_keras_object(getattr(self, self.argument))
        return {**super().get_config(), self.argument: parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Composite:
        """Returns a new step with the same config."""
        parts = keras.saving.deserialize_keras_object(config[cls.argument])
        return cls(**{**config, cls.argument: parts})


def ordered(items: list[Any], direction: str) -> list[Any]:
    """Returns items, given data side first, in the order of a pass."""
    return items if direction == "inverse" else items[::-1]


def is_transparent(step: Any) -> TypeGuard[Composite]:
    """Returns whether a step only passes data and context to its parts.

    True for our composites; a user's subclass may do anything in its passes.
    """
    ours = type(step).__module__.startswith("tfflows.")
    return ours and isinstance(step, Composite) and step.hands_context_on


def passes_of(step: FlowStep, direction: str) -> list[Pass]:
    """Returns the passes that make up a step's pass, in the order in which they run."""
    if is_transparent(step) and step.is_sequence:
        return step.passes(direction)
    return [Pass.of(step, direction)]


# Our replacement for each TFP composite that holds flow steps, by TFP's name. A stock
# composite hides their weights, initialisation and context from Keras.
STAND_INS: dict[str, Callable[[Any], FlowStep]] = {}


def as_step(bijector: Any, dtype: Any = None) -> FlowStep:
    """Returns the bijector if it is a step, else wrapped in `TFPStep`.

    Args:
      bijector: A flow step or any `tfb.Bijector`.
      dtype: Keras dtype policy of the wrapper; None: the bijector's own dtype.

    Raises:
      ValueError: If it is no `tfb.Bijector`, or a stock one around flow steps, which
        only our composites can hold.
    """
    if isinstance(bijector, FlowStep):
        return bijector
    if not isinstance(bijector, tfp.bijectors.Bijector):
        raise ValueError(
            f"expected a FlowStep or a tfb.Bijector, got {type(bijector).__name__}"
        )
    if not any(isinstance(part, FlowStep) for part in bijector.submodules):
        return TFPStep(bijector, dtype=dtype)
    kind = type(bijector).__name__.lstrip("_")
    if kind in STAND_INS:
        return STAND_INS[kind](bijector)
    raise ValueError(
        f"expected flow steps outside of a stock tfb.{kind}, got {bijector.name} with "
        "some inside; compose them with tfflows.bijectors.Chain and Invert"
    )


def as_steps(name: str, bijectors: Any, dtype: Any = None) -> list[FlowStep]:
    """Returns each as a step. Stock bijectors get the given dtype, or the others'.

    Args:
      name: Name of the argument.
      bijectors: A sequence of flow steps or `tfb.Bijector`s.
      dtype: Keras dtype policy, or None.

    Raises:
      ValueError: If `bijectors` is no sequence, a part is no bijector, or one occurs
        twice.
    """
    single = isinstance(bijectors, str | bytes | dict | np.ndarray)
    if single or not isinstance(bijectors, Iterable):
        raise ValueError(
            f"expected {name} as a sequence of steps, got {type(bijectors).__name__}"
        )
    bijectors = list(bijectors)
    dtype = _common_dtype(bijectors) if dtype is None else dtype
    steps = [as_step(bijector, dtype) for bijector in bijectors]
    if len({id(step) for step in steps}) < len(steps):
        raise ValueError(f"expected {name} that are distinct objects, got one twice")
    return steps


def _common_dtype(bijectors: list[Any]) -> Any:
    """Returns the dtype policy of the first flow step, or of the first bijector.

    Stock bijectors such as `tfb.Exp` accept any dtype and have none.
    """
    for bijector in bijectors:
        if isinstance(bijector, FlowStep):
            return bijector.dtype_policy
    dtypes = [tfp_dtype(bijector) for bijector in bijectors]
    return next((dtype for dtype in dtypes if dtype is not None), None)


def build_step(
    step: FlowStep, event_shape: tuple[int, ...], dtype: tf.DType | None = None
) -> FlowStep:
    """Builds a step for an event shape, or checks a step that is built.

    Args:
      step: The step.
      event_shape: Shape of its data events.
      dtype: The flow dtype of the containing step.

    Raises:
      ValueError: If the step has another event shape or dtype.
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
