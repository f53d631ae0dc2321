"""A step as functions of its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.flow_step import FlowStep

Weights = tuple[tf.Tensor, ...]

_OUTSIDE = (
    "it has to stand outside of Repeated and, with backprop='remat' or 'reversible', "
    "to have recomputed_from = None"
)


class PureStep:
    """A step as functions of given weights; the values of its variables are not read.

    It is no Keras object, so the step's variables do not become a model's weights.

    Args:
      step: A built step.
    """

    def __init__(self, step: FlowStep) -> None:
        self.step = step

    def weights(self) -> Weights:
        """Returns the current values of the step's variables."""
        return tuple(tf.convert_to_tensor(v) for v in self.step.variables)

    def run(
        self, weights: Weights, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs the pass in a direction; returns value and log-det.

        Raises:
          ValueError: If the pass has side effects, which would be lost.
        """
        with self.without_effects(weights, _OUTSIDE):
            return self.step._fused_pass(direction)(value, context)

    def initialize(
        self, weights: Weights, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, Weights]:
        """Initialises from data; returns the output and the new weights."""
        with self.values(weights) as scope:
            value = self.step._initialize(value, context, direction)
            return value, self._values_in(scope)

    def is_initialized(self, weights: Weights) -> bool:
        """Returns whether these weights were initialised from data."""
        with self.values(weights):
            return self.step.is_initialized

    @contextlib.contextmanager
    def values(self, weights: Weights) -> Iterator[keras.StatelessScope]:
        """Inside this scope the step's variables have these values."""
        pairs = list(zip(self.step.variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=pairs, collect_losses=True) as scope:
            yield scope

    @contextlib.contextmanager
    def without_effects(self, weights: Weights, remedy: str) -> Iterator[None]:
        """As `values`, for code that must not have side effects.

        Args:
          weights: The values.
          remedy: What to do about a step that has some, for the error.

        Raises:
          ValueError: At the end, if the code assigned variables or added losses.
        """
        with self.values(weights) as scope:
            given = self._values_in(scope)
            yield
            now = self._values_in(scope)
        unchanged = all(old is new for old, new in zip(given, now, strict=True))
        if not unchanged or scope.losses:
            raise ValueError(
                f"{self.step.name}: expected a step that neither assigns variables nor "
                "adds losses in its passes, as a network's Dropout, activity "
                f"regularizers and BatchNormalization do, got one that does; {remedy}"
            )

    def _values_in(self, scope: keras.StatelessScope) -> Weights:
        return tuple(map(scope.get_current_value, self.step.variables))
