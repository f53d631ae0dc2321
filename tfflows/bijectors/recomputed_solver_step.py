"""One step of a solver, whose backward pass recomputes it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows.backend.in_xla import in_xla
from tfflows.bijectors.ode_solvers import State, runge_kutta
from tfflows.bijectors.pure_step import PureStep, Weights

_ZERO = tf.UnconnectedGradients.ZERO


class RecomputedSolverStep:
    """One fixed step, of which the backward pass keeps the input alone.

    Args:
      flow: The `ContinuousFlow`.
      contexts: A list of the context, or an empty one.
      signs: As in `ContinuousFlow._field`.
      weights: The values of the flow's variables.
    """

    def __init__(
        self,
        flow: Any,
        contexts: list[tf.Tensor],
        signs: tf.Tensor | None,
        weights: Weights,
    ) -> None:
        self._flow, self._pure = flow, PureStep(flow)
        self._signs = [] if signs is None else [signs]
        self._contexts, self._weights = contexts, weights
        # Once in the graph for all stages and their derivatives. XLA would compile
        # again for other values of a call's inputs.
        self._slopes = self._plain_slopes
        if not in_xla():
            self._slopes = tf.function(self._plain_slopes, autograph=False)

    def __call__(
        self, time: tf.Tensor, size: tf.Tensor, value: tf.Tensor, log_det: tf.Tensor
    ) -> State:
        """Takes the step; its derivatives are those of its recomputation."""

        @tf.custom_gradient
        def run(
            value: tf.Tensor, contexts: list[tf.Tensor], weights: Weights
        ) -> tuple[State, Any]:
            def pull_back(*gradients: tf.Tensor) -> Any:
                # Tensors of this graph: in a loop's gradient the tape does not see
                # that a tensor of the loop comes in.
                sources = [tf.identity(s) for s in (value, *contexts, *weights)]
                real = [source for source in sources if source.dtype.is_floating]
                end = 1 + len(contexts)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(real)
                    outputs = self._run(
                        time, size, sources[0], sources[1:end], tuple(sources[end:])
                    )
                found = iter(tape.gradient(outputs, real, gradients, _ZERO))
                each = [next(found) if s.dtype.is_floating else None for s in sources]
                return each[0], each[1:end], tuple(each[end:])

            return self._run(time, size, value, contexts, weights), pull_back

        moved, gathered = run(value, self._contexts, self._weights)
        return moved, log_det + gathered

    def _run(
        self,
        time: tf.Tensor,
        size: tf.Tensor,
        value: tf.Tensor,
        contexts: list[tf.Tensor],
        weights: Weights,
    ) -> State:
        def field(time: tf.Tensor, x: tf.Tensor) -> State:
            return self._slopes(time, x, contexts, self._signs, weights)

        zeros = tf.zeros(tf.shape(value)[:1], value.dtype)
        return runge_kutta(self._flow.method, field, time, size, (value, zeros))

    def _plain_slopes(
        self,
        time: tf.Tensor,
        x: tf.Tensor,
        contexts: list[tf.Tensor],
        signs: list[tf.Tensor],
        weights: Weights,
    ) -> State:
        context, own = contexts[0] if contexts else None, signs[0] if signs else None
        with self._pure.values(weights):
            return self._flow._field(time, x, context, own)
