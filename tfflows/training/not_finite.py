"""What a training does about losses and gradients that are not finite."""

from __future__ import annotations

import contextlib
import functools
import math
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

    The model leaves out each step whose loss or gradients are not finite, and counts
    it. At the end of an epoch the logs get "skipped_steps", the number so far.

    Args:
      limit: Steps in a row that end the training.

    Raises:
      ValueError: On training, after `limit` steps in a row.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit, self._epoch, self._before = limit, 0, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called by Keras."""
        self._epoch, self._before = epoch, self._skipped()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the count; called by Keras."""
        if int(self.model.skipped_steps.in_a_row.numpy()) >= self._limit:
            raise ValueError(
                f"expected finite losses and gradients, got {self._limit} steps in a "
                f"row without, up to batch {batch + 1} in epoch {self._epoch + 1}; "
                "lower trainer.learning_rate or set trainer.clip_norm; "
                "--debug_nonfinite names the layer"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reports the number of steps left out; called by Keras."""
        if logs is None:
            return
        logs["skipped_steps"] = self._skipped()
        skipped = logs["skipped_steps"] - self._before
        if skipped == self.params.get("steps") and logs["loss"] == 0:
            logs["loss"] = math.nan  # the mean of nothing, which Keras calls 0

    def _skipped(self) -> int:
        return int(self.model.skipped_steps.total.numpy())


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
