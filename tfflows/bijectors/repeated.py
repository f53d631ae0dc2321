"""Steps of equal structure, kept as one step with stacked weights."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.in_xla import in_xla
from tfflows.backend.weight_kinds import mark_stack
from tfflows.bijectors.composite import Composite, as_step, build_step, ordered
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.initial_weights import initial_weights
from tfflows.bijectors.pure_step import PureStep, Weights
from tfflows.bijectors.recompute import Pass, RecomputableStep, TracedStep
from tfflows.bijectors.shapes import event_shape, no_log_det


@keras.saving.register_keras_serializable("tfflows")
class Repeated(Composite):
    """K steps f_1 .. f_K of one structure, one after the other, data side first.

    With g_k the inverse of f_k, x_K = z, x_{k-1} = f_k(x_k), x = x_0:

      forward:          x = f_1(f_2(... f_K(z)))
      forward log-det:  sum_k log|det df_k/dx_k|
      inverse:          z = g_K(... g_2(g_1(x)))
      inverse log-det:  sum_k log|det dg_k/dx_{k-1}|

    It computes the same as a `Chain` of K new copies of the step. The copies' weights
    are stacked along a first axis of size K, and a graph holds one step's pass as a
    function that is called K times. The graph, the optimizer and the tracing time
    therefore stay as small as for one step. Under XLA the graph grows with K, because
    no function is called.

    `Planar` has a faster way to run K forward passes, `_forward_of_repeats(stacks, z)`,
    for steps without a context. Its subclasses do not use it.

    Args:
      step: The step, not built. Its calls must not assign weights.
      num_repeats: K.
      **kwargs: `name`, `dtype` (None: the step's), `trainable` of `FlowStep`.

    Raises:
      ValueError: If num_repeats is below 1 or the step changes shapes.
    """

    argument = "step"

    def __init__(self, step: Any, num_repeats: int, **kwargs: Any) -> None:
        step = as_step(step, kwargs.get("dtype"))
        super().__init__([step], **{"event_ndims": step.event_ndims, **kwargs})
        if not step.shape_preserving:
            raise ValueError(f"expected a step that keeps shapes, got {step.name}")
        self.num_repeats = check_count("num_repeats", num_repeats)
        self._step = PureStep(step)

    @property
    def step(self) -> FlowStep:
        """The repeated step. Its own weights are not used."""
        return self._step.step

    def __dir__(self) -> list[str]:
        # Hide it from Keras, which would save the step's unused weights.
        return [name for name in super().__dir__() if name != "step"]

    @property
    def stacks(self) -> list[keras.Variable]:
        """One stacked weight of all repeats for each of `step.variables`."""
        return list(self._stacks)

    @property
    def is_initialized(self) -> bool:
        """Returns whether all steps that need it were initialised from data."""
        return self.built and all(map(self._step.is_initialized, self._weights_of()))

    def build(self, data_shape: Any) -> None:
        """Stacks the weights that K new copies of the step would have."""
        step = self.step
        event = event_shape(data_shape, self.event_ndims, self.name)
        dtype = self.flow_dtype
        values = initial_weights(step, self.num_repeats, event, dtype)
        build_step(step, event, dtype)
        self._stacks = [
            self._stack(variable, value)
            for variable, value in zip(step.variables, values, strict=True)
        ]

    def _stack(self, first: keras.Variable, value: tf.Tensor) -> keras.Variable:
        stack = self.add_weight(
            shape=value.shape,
            dtype=first.dtype,
            initializer=lambda shape, dtype: value,
            trainable=first.trainable,
            regularizer=_sum_of(first.regularizer),
            constraint=_each_by(first.constraint),
            name=first.path.replace("/", "_"),
        )
        mark_stack(stack, of=first)
        return stack

    def _weights_of(self) -> list[Weights]:
        """Returns the weights of each step, data side first."""
        if not self._stacks:
            return [()] * self.num_repeats
        return list(zip(*(tf.unstack(stack) for stack in self._stacks), strict=True))

    def passes(self, direction: str) -> list[Pass]:
        """Returns the steps' passes in a direction, in the order in which they run.

        In a graph they share one function.
        """
        kind = TracedStep if _shares_functions() else RecomputableStep
        step = kind(self.step)
        return [
            Pass(step, weights, direction)
            for weights in ordered(self._weights_of(), direction)
        ]

    def _through(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Only for the class itself: a subclass may override methods that this skips.
        at_once = vars(type(self.step)).get("_forward_of_repeats")
        has_context = getattr(self.step, "context_dim", None) is not None
        if direction == "forward" and at_once is not None and not has_context:
            stacks = [tf.convert_to_tensor(stack) for stack in self._stacks]
            return at_once(self.step, stacks, value)
        return self.one_by_one(value, context, direction)

    def one_by_one(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs the steps' own passes in a direction; returns value and log-det."""
        log_det = no_log_det(value)
        for one in self.passes(direction):
            value, own = one.run(value, context)
            log_det += own
        return value, log_det

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        updated = []
        steps = list(enumerate(self._weights_of(), 1))
        for number, weights in ordered(steps, direction):
            with _warnings_of(f"{self.name}, step {number} of {self.num_repeats}"):
                value, weights = self._step.initialize(
                    weights, value, context, direction
                )
            updated.append(weights)
        rows = zip(*ordered(updated, direction), strict=True)
        for stack, values in zip(self._stacks, rows, strict=True):
            stack.assign(tf.stack(values))
        return value

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_repeats": self.num_repeats}


def _sum_of(regularizer: Callable | None) -> Callable | None:
    """Applies a regularizer of one step's weight to all steps' weights."""
    if regularizer is None:
        return None
    return lambda stack: tf.add_n([regularizer(w) for w in tf.unstack(stack)])


def _each_by(constraint: Callable | None) -> Callable | None:
    """Applies a constraint of one step's weight to all steps' weights."""
    if constraint is None:
        return None
    return lambda stack: tf.stack([constraint(w) for w in tf.unstack(stack)])


def _shares_functions() -> bool:
    # Not under XLA. The gradient's function gets constants, such as an axis, from the
    # forward function. XLA treats all inputs of a call as constants, also the weights
    # and the data, and compiles again whenever they change. (A user's plain
    # `tf.function` around this is traced once for both: if it was first traced outside
    # of XLA, this still happens inside.)
    return not tf.executing_eagerly() and not in_xla()


@contextlib.contextmanager
def _warnings_of(name: str) -> Iterator[None]:
    """Prefixes warnings with the name, because all copies of a step have one name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        message = f"{name}: {warning.message}"
        warnings.warn(message, warning.category, stacklevel=3)
