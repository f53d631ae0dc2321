"""The network of a residual step, as a function of its weights."""

from __future__ import annotations

import inspect
from typing import Any

import tensorflow as tf
from keras.src.backend.common.variables import AutocastScope

from tfflows.bijectors.pure_step import PureStep, Weights

_REMEDY = "take a network without them"
_ZERO = tf.UnconnectedGradients.ZERO


class Branch:
    """The function g of a `Residual`, with the values that its weights have now.

    A network with `constrained` and `apply_constrained`, as `networks.LipschitzMLP`,
    scales its kernels once for all calls of g in a pass.

    Args:
      step: The built step.
      context: None or `[B, ...]`.
    """

    def __init__(self, step: Any, context: Any) -> None:
        self.name = step.name
        self._network, self._dtype = step.network, step.flow_dtype
        self._pure = PureStep(step)
        self._takes_context = takes_context(step.network)
        self._is_constrained = hasattr(step.network, "apply_constrained")
        with AutocastScope(None):  # layers cast their weights themselves
            self.weights: Weights = (
                step.network.constrained()
                if self._is_constrained
                else self._pure.weights()
            )
        used = context is not None and self._takes_context
        self.contexts: list[tf.Tensor] = [context] if used else []

    def __call__(
        self, x: tf.Tensor, contexts: list[tf.Tensor], weights: Weights
    ) -> tf.Tensor:
        """Returns g(x) `[B, *event]`.

        Args:
          x: `[B, *event]`.
          contexts: `self.contexts`, or the rows of it that belong to x.
          weights: `self.weights`, or tensors in their place.

        Raises:
          ValueError: If the network assigns variables or adds losses.
        """
        context = contexts[0] if contexts else None
        if self._is_constrained:
            y = self._network.apply_constrained(weights, x, context)
        else:
            named = {"context": context} if self._takes_context else {}
            with self._pure.without_effects(weights, _REMEDY):
                y = self._network(x, **named)
        return tf.cast(y, self._dtype)

    def pull_back(
        self,
        x: tf.Tensor,
        contexts: list[tf.Tensor],
        weights: Weights,
        scalar: Any,
    ) -> tuple[tf.Tensor, list[Any], tuple[Any, ...]]:
        """Returns the gradients of `scalar(x, contexts, weights)` by all three.

        None stands for tensors that are not real.
        """
        # Tensors of this graph: in a loop's gradient a tape does not see that a tensor
        # of the loop comes in.
        sources = [tf.identity(part) for part in (x, *contexts, *weights)]
        real = [source for source in sources if source.dtype.is_floating]
        end = 1 + len(contexts)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(real)
            value = scalar(sources[0], sources[1:end], tuple(sources[end:]))
        found = iter(tape.gradient(value, real, unconnected_gradients=_ZERO))
        each = [next(found) if s.dtype.is_floating else None for s in sources]
        return each[0], each[1:end], tuple(each[end:])


class Products:
    """Products u^T J of vectors with the Jacobian of g at some values.

    g is computed once, and each product is one backward pass.

    Args:
      branch: g.
      x: `[B, *event]`.
      contexts: As in `Branch`.
      weights: As in `Branch`.
    """

    def __init__(
        self,
        branch: Branch,
        x: tf.Tensor,
        contexts: list[tf.Tensor],
        weights: Weights,
    ) -> None:
        self._x = tf.identity(x)
        self._tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
        with self._tape:
            self._tape.watch(self._x)
            self._y = branch(self._x, contexts, weights)

    def __call__(self, u: tf.Tensor) -> tf.Tensor:
        """Returns u^T J `[B, *event]` of vectors `[B, *event]`."""
        return self._tape.gradient(self._y, self._x, u, unconnected_gradients=_ZERO)


def takes_context(network: Any) -> bool:
    """Returns whether a network's `call` has an argument `context`."""
    return "context" in inspect.signature(network.call).parameters
