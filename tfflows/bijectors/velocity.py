"""The velocity of a continuous flow: a network of a value and a time."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.coupling import declared_context
from tfflows.bijectors.heads import make_head

# What a network's `call` may name the time.
_TIMES = ("t", "time")


class Velocity:
    """How a network is called for a velocity; it creates what the network lacks.

    A network that takes the time, by an argument `t` or `time` or as the second of two
    inputs, returns the velocity itself. Any other gets the time as one more feature (of
    an image: channel) and returns features, from which a head that starts at zero makes
    the velocity.

    Args:
      network: A Keras layer.
      dtype: The flow's dtype, of what is returned.

    Raises:
      ValueError: If the network is no Keras layer.
    """

    def __init__(self, network: Any, dtype: tf.DType) -> None:
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(
                "expected a network that is a Keras layer, network(x, t) -> velocity, "
                f"got {network!r}"
            )
        self.network, self._dtype = network, dtype
        self.head: keras.layers.Layer | None = None
        parameters = inspect.signature(network.call).parameters
        self._time = next((name for name in _TIMES if name in parameters), None)
        self._in_a_list = _number_of_inputs(network) == 2
        self._takes_context = "context" in parameters

    @property
    def takes_time(self) -> bool:
        """Whether the network takes the time, and returns the velocity itself."""
        return self._time is not None or self._in_a_list

    def build(self, event: tuple[int, ...], policy: Any, name: str) -> None:
        """Builds network and head by a symbolic call.

        Args:
          event: Shape of one event.
          policy: Keras dtype policy of the head.
          name: Name of the step, for errors.

        Raises:
          ValueError: If the network returns another shape.
        """
        dtype = self._dtype.name
        shape = declared_context(self.network) if self._takes_context else None
        context = None if shape is None else keras.Input(shape, dtype=dtype)
        outputs = self._call(
            keras.Input(event, dtype=dtype), keras.Input((1,), dtype=dtype), context
        )
        if not isinstance(outputs, keras.KerasTensor):
            raise ValueError(
                f"{name}: expected a network that returns one tensor, got "
                f"{type(outputs).__name__}"
            )
        features = tuple(outputs.shape)
        if self.takes_time:
            if features[1:] != event:
                raise ValueError(
                    f"{name}: expected a network(x, t) that returns the velocity, of "
                    f"shape {(None, *event)} as x, got {features}"
                )
            return
        if len(features) != len(event) + 1 or features[1:-1] != event[:-1]:
            raise ValueError(
                f"{name}: expected a network that maps {(None, *event)} and the time "
                f"to features of shape {(None, *event[:-1], 'F')}, got {features}"
            )
        self.head = make_head("auto", event[-1], features, policy)
        self.head.build(features)

    def __call__(self, x: tf.Tensor, t: tf.Tensor, context: Any) -> tf.Tensor:
        """The velocities `[B, *event]` at values `[B, *event]` and times `[B, 1]`."""
        velocity = self._call(x, t, context)
        if self.head is not None:
            velocity = self.head(velocity)
        return tf.cast(velocity, self._dtype)

    def _call(self, x: Any, t: Any, context: Any) -> Any:
        named = {"context": context} if self._takes_context else {}
        if self._time is not None:
            return self.network(x, **{self._time: t}, **named)
        if self._in_a_list:
            return self.network([x, t], **named)
        return self.network(_with_time(x, t), **named)


def _with_time(x: Any, t: Any) -> Any:
    """X with the time as one more feature of each element of the last axis."""
    ops = keras.ops
    for _ in range(len(x.shape) - 2):
        t = ops.expand_dims(t, 1)
    return ops.concatenate([x, t + ops.zeros_like(x[..., :1])], axis=-1)


def _number_of_inputs(network: keras.layers.Layer) -> int:
    # Of a functional model, whose call takes a list.
    inputs = getattr(network, "inputs", None) if network.built else None
    return len(inputs) if isinstance(inputs, list | tuple) else 1
