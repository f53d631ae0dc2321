"""Finds the layer whose values or gradients are not finite."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.weight_kinds import stacked_axes
from tfflows.bijectors import FlowStep, Repeated
from tfflows.bijectors.recompute import Pass, RecomputableStep

_METHODS = ("_forward_and_log_det", "_inverse_and_log_det", "call")
_MARK = "not finite in the "
_BACKWARD = "gradient"
# The step of a `Repeated` that is being traced.
_place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="")


class NotFiniteGuard(keras.callbacks.Callback):
    """Ends a training after too many skipped steps in a row.

    Overrides the `max_skipped` that the model was compiled with.

    Args:
      limit: Number of skipped steps in a row that ends training.

    Raises:
      ValueError: In training, after `limit` skipped steps in a row.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def on_train_begin(self, logs: Any = None) -> None:
        """Sets the limit; called by Keras."""
        self.model.skipped_steps.limit = self._limit


@contextlib.contextmanager
def naming_not_finite(model: keras.Model) -> Iterator[None]:
    """Makes functions traced inside stop at the first value that is not finite.

    `tf.debugging.check_numerics` checks the inputs and outputs of each layer and their
    gradients, so that the error names the layer in which the first such value appears.
    The checks cost time, and XLA drops them.

    Args:
      model: The model, compiled without XLA.

    Raises:
      ValueError: If a value is not finite. The message names the layer.
    """
    # Loss scaling expects some gradients to overflow.
    scaled = hasattr(model.optimizer, "dynamic_scale")
    check = _check_value if scaled else tf.debugging.check_numerics
    replaced = []
    for layer in _all_layers(model):
        methods = {
            name: _checked(method, layer, check)
            for name, method in _methods(layer).items()
        }
        if isinstance(layer, Repeated):
            methods["passes"] = functools.partial(_numbered_passes, layer)
        vars(layer).update(methods)
        replaced += [(layer, name) for name in methods]
    if not scaled:
        vars(model)["_gradients"] = _checked_gradients(model._gradients)
        replaced.append((model, "_gradients"))
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(rf"({_MARK}.*?)[\"']? : Tensor had (\w+)", str(error))
        if not found:
            raise
        what = "gradients" if _BACKWARD in str(error) else "values"
        raise ValueError(
            f"expected finite {what}, got {found[2]}: {found[1]}"
        ) from error
    finally:
        for layer, name in replaced:
            vars(layer).pop(name, None)


def _all_layers(layer: Any) -> Iterator[Any]:
    """Yields the layers in a layer, and those in repeated steps."""
    for part in layer._flatten_layers(include_self=False):
        yield part
        if isinstance(part, Repeated):
            yield part.step
            yield from _all_layers(part.step)


def _methods(layer: keras.layers.Layer) -> dict[str, Callable]:
    """Returns the methods of a layer to check, by name."""
    methods = {n: getattr(layer, n) for n in _METHODS if hasattr(type(layer), n)}
    if isinstance(layer, Repeated):  # step by step, where there is a way at once, too
        methods["_forward_and_log_det"] = functools.partial(
            layer.one_by_one, direction="forward"
        )
    return methods


class _NumberedStep(RecomputableStep):
    """A step of a `Repeated` that adds its number to messages."""

    def __init__(self, step: FlowStep, place: str) -> None:
        super().__init__(step)
        self._place = place

    def run(self, *args: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs the step as `PureStep` does."""
        token = _place.set(f"{_place.get()}{self._place}, ")
        try:
            return super().run(*args)
        finally:
            _place.reset(token)


def _numbered_passes(repeated: Repeated, direction: str) -> list[Pass]:
    """Returns `Repeated.passes`, each with a trace of its own."""
    number = repeated.num_repeats
    names = [f"step {k + 1} of {number} of {_name(repeated)}" for k in range(number)]
    if direction != "inverse":
        names.reverse()
    passes = type(repeated).passes(repeated, direction)
    return [
        Pass(_NumberedStep(repeated.step, name), one.weights, one.direction)
        for name, one in zip(names, passes, strict=True)
    ]


def _name(layer: keras.layers.Layer) -> str:
    return layer.path or layer.name


def _checked(method: Callable, layer: keras.layers.Layer, check: Callable) -> Any:
    def checked(value: Any) -> Any:
        if not isinstance(value, tf.Tensor) or not value.dtype.is_floating:
            return value
        kind = type(layer).__name__
        return check(value, f"{_MARK}{_place.get()}layer {_name(layer)}, a {kind}")

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tf.nest.map_structure(checked, (args, kwargs))
        return tf.nest.map_structure(checked, method(*args, **kwargs))

    return wrapped


def _check_value(value: tf.Tensor, message: str) -> tf.Tensor:
    checked = tf.debugging.check_numerics(tf.stop_gradient(value), message)
    with tf.control_dependencies([checked]):
        return tf.identity(value)


def _checked_gradients(method: Callable) -> Callable:
    def wrapped(tape: Any, loss: tf.Tensor, weights: list[keras.Variable]) -> list[Any]:
        gradients = zip(method(tape, loss, weights), weights, strict=True)
        return [
            None if gradient is None else _checked_gradient(gradient, weight)
            for gradient, weight in gradients
        ]

    return wrapped


def _checked_gradient(gradient: Any, weight: keras.Variable) -> tf.Tensor:
    message = f"{_MARK}{_BACKWARD} of {weight.path}"
    gradient = tf.convert_to_tensor(gradient)
    if not stacked_axes(weight):
        return tf.debugging.check_numerics(gradient, message)
    parts = tf.unstack(gradient)
    steps = [f"{message}, step {k} of {len(parts)}" for k in range(1, len(parts) + 1)]
    return tf.stack(list(map(tf.debugging.check_numerics, parts, steps)))
