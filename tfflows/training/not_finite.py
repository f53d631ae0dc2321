"""Finding the layer whose values or gradients are not finite."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

_METHODS = ("_forward_and_log_det", "_inverse_and_log_det", "call")
_MARK = "not finite in the "
_BACKWARD = "gradient"


class NotFiniteGuard(keras.callbacks.Callback):
    """Ends a training of which too many steps in a row were left out.

    What `compile(max_skipped=limit)` does, for models compiled with another number.

    Args:
      limit: Steps in a row that end the training.

    Raises:
      ValueError: On training, after `limit` steps in a row.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def on_train_begin(self, logs: Any = None) -> None:
        """Called by Keras."""
        self.model.skipped_steps.limit = self._limit


@contextlib.contextmanager
def naming_not_finite(model: keras.Model) -> Iterator[None]:
    """What is traced inside stops at the first layer that gives no finite value.

    Values pass `tf.debugging.check_numerics` on their way into and out of each layer,
    and their gradients on the way back, so that the layer that is named is the one in
    which they cease to be finite. This costs time, and XLA drops it.

    Args:
      model: The compiled model, not for XLA.

    Raises:
      ValueError: Where a value inside is not finite; it names the layer.
    """
    # Under loss scaling, gradients that overflow are part of the method.
    scaled = hasattr(model.optimizer, "dynamic_scale")
    check = _check_value if scaled else tf.debugging.check_numerics
    replaced = []
    for layer in model._flatten_layers():
        for name in _METHODS:
            if layer is not model and hasattr(type(layer), name):
                vars(layer)[name] = _checked(getattr(layer, name), layer, check)
                replaced.append((layer, name))
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


def _checked(method: Callable, layer: keras.layers.Layer, check: Callable) -> Any:
    message = f"{_MARK}layer {layer.path or layer.name}, a {type(layer).__name__}"

    def checked(value: Any) -> Any:
        if not isinstance(value, tf.Tensor) or not value.dtype.is_floating:
            return value
        return check(value, message)

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
        return [
            gradient
            if gradient is None
            else tf.debugging.check_numerics(
                tf.convert_to_tensor(gradient), f"{_MARK}{_BACKWARD} of {weight.path}"
            )
            for gradient, weight in zip(
                method(tape, loss, weights), weights, strict=True
            )
        ]

    return wrapped
