"""Steps whose parameters are weights or functions of a context."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.flow_step import FlowStep


class Parameter(NamedTuple):
    """A parameter of a step: its shape and its Keras initializer."""

    shape: tuple[int, ...]
    initializer: Any = "zeros"


class AmortizableStep(FlowStep):
    """A step on vectors whose parameters are weights, or depend on each example.

    Without `context_dim` the parameters are weights. With it they are *amortised*: a
    dense head for each maps a context `[B, context_dim]`, such as the features of a
    VAE's encoder, to the parameters of each example. The head of a parameter that
    starts at zero also starts at zero. Other heads depend on the context from the
    start, because a product of two zeros (for example of u and w) would never learn.

    Heads receive the context divided by sqrt(context_dim). A step of Adam moves each of
    their weights by about the learning rate, and an output by the sum over the context,
    in each step of a chain. Undivided, a chain of 16 costs a VAE some nats in the first
    epochs (docs/results/variational.md).

    Subclasses implement `_parameter_table` and the passes.

    Args:
      context_dim: Size of the context; None: the parameters are weights.
      **kwargs: Arguments of `FlowStep`.
    """

    recomputed_from = "input"  # inverses are numeric or missing

    def __init__(self, *, context_dim: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if context_dim is not None:
            check_count("context_dim", context_dim)
        self.context_dim = context_dim
        self._context_scale = 1.0 if context_dim is None else context_dim**-0.5

    def _parameter_table(self, size: int) -> dict[str, Parameter]:
        """Returns the parameters by name, for events `[size]`."""
        raise NotImplementedError(f"{type(self).__name__} has no _parameter_table")

    def build(self, data_shape: Any) -> None:
        """Creates the parameters, or their heads.

        Raises:
          ValueError: If events are no vectors.
        """
        event = tuple(data_shape)[1:]
        if len(event) != 1:
            raise ValueError(
                f"{self.name}: expected events that are vectors, got shape {event}; "
                "put a Flatten before it"
            )
        self._table = self._parameter_table(event[0])
        create = self._weight if self.context_dim is None else self._head
        self._sources = [create(name, *row) for name, row in self._table.items()]

    def _weight(self, name: str, shape: tuple, initializer: Any) -> keras.Variable:
        return self.add_weight(shape=shape, initializer=initializer, name=name)

    def _head(self, name: str, shape: tuple, initializer: Any) -> keras.layers.Layer:
        start = keras.initializers.get(initializer)
        head = keras.layers.Dense(
            math.prod(shape),
            kernel_initializer="zeros" if initializer == "zeros" else "glorot_uniform",
            # Some initializers have no half precision.
            bias_initializer=lambda _, dtype=None: tf.cast(
                tf.reshape(start(shape, dtype=self.flow_dtype.name), [-1]), dtype
            ),
            dtype=self.dtype_policy,
            name=f"{name}_head",
        )
        head.build((None, self.context_dim))
        return head

    def _parameter_values(self, context: Any) -> dict[str, tf.Tensor]:
        """Returns each parameter `[B, *shape]`, or `[1, *shape]` if it is a weight."""
        if self.context_dim is None:
            return {
                name: tf.convert_to_tensor(weight)[tf.newaxis]
                for name, weight in zip(self._table, self._sources, strict=True)
            }
        context = self._checked_context(context)
        return {
            name: tf.reshape(tf.cast(head(context), self.flow_dtype), (-1, *row.shape))
            for (name, row), head in zip(
                self._table.items(), self._sources, strict=True
            )
        }

    def _checked_context(self, context: Any) -> tf.Tensor:
        expected = (None, self.context_dim)
        shape = None if context is None else tf.convert_to_tensor(context).shape
        if shape is None or not shape.is_compatible_with(expected):
            got = None if shape is None else tuple(shape)
            raise ValueError(
                f"{self.name}: expected a context of shape {expected}, got {got}"
            )
        return tf.cast(context, self.flow_dtype) * self._context_scale

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "context_dim": self.context_dim}
