"""Guidance of samples: away from what a model draws without a context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from tfflows.bijectors.causal_transformer import CausalTransformer, State

_WEIGHT: ContextVar[tf.Tensor | None] = ContextVar("guidance", default=None)


@contextlib.contextmanager
def guided(weight: tf.Tensor) -> Iterator[None]:
    """Inside, forward passes of `TransformerAutoregressive` are guided.

    Args:
      weight: `[B]`, the weight of each row, >= 0.
    """
    token = _WEIGHT.set(weight)
    try:
        yield
    finally:
        _WEIGHT.reset(token)


def guidance_weight() -> tf.Tensor | None:
    """Returns the weight `[B]` of the guidance in force; None: there is none."""
    return _WEIGHT.get()


class GuidedSteps:
    """Evaluates a `CausalTransformer` token by token, with guidance.

    With p(c) the parameters given the context c, and p(0) those given a context of
    zeros, which stands for none, a token's parameters are

      (1 + w) p(c) - w p(0)

    Source: Zhai et al., "Normalizing Flows are Capable Generative Models", 2024, arXiv
    2412.06329, section 2.6, for log-scales and shifts.

    Args:
      network: A built `CausalTransformer`.
      context: `[B, context_dim]`.
      weight: w, `[B]`.
    """

    def __init__(
        self, network: CausalTransformer, context: Any, weight: tf.Tensor
    ) -> None:
        self._given = network.steps(context)
        self._free = network.steps(tf.zeros_like(context))
        self._weight = weight[:, tf.newaxis]

    def initial_state(self, batch_size: tf.Tensor) -> State:
        """Returns the empty keys and values of both, see `CausalSteps`."""
        given = self._given.initial_state(batch_size)
        return (*given, *self._free.initial_state(batch_size))

    def advance(
        self, t: tf.Tensor, x: tf.Tensor, state: State
    ) -> tuple[tf.Tensor, State]:
        """Computes the parameters of token t, see `CausalSteps.advance`."""
        half = len(state) // 2
        given, given_state = self._given.advance(t, x, state[:half])
        free, free_state = self._free.advance(t, x, state[half:])
        weight = tf.cast(self._weight, given.dtype)
        return given + weight * (given - free), (*given_state, *free_state)
