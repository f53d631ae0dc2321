"""Passes that recompute their intermediate values in the backward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfflows.bijectors.flow_step import OPPOSITE, FlowStep
from tfflows.bijectors.pure_step import PureStep, Weights

_ZERO = tf.UnconnectedGradients.ZERO


class RecomputableStep(PureStep):
    """A step as functions of its weights: its passes and their derivative."""

    def pull_back(
        self,
        weights: Weights,
        known: tf.Tensor,
        context: Any,
        gradients: tuple[tf.Tensor, tf.Tensor],
        direction: str,
        source: str,
    ) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """Returns a loss' gradients by a pass's inputs, given those by its outputs.

        Args:
          weights: Weights of the pass.
          known: Input or output of the pass.
          context: Context of the pass.
          gradients: Gradients by the value and the log-det that the pass returned.
          direction: Direction of the pass.
          source: "output" if `known` is the output, which must be inverted, or "input".

        Returns:
          The input, and the gradients by it, the context and each weight; None for
          tensors that are not real.
        """
        # Without this wait, TensorFlow would recompute all steps at once as soon as
        # `known` exists, and hold all their activations.
        with tf.control_dependencies(gradients):
            value = tf.identity(known)
        if source == "output":
            value = self.run(weights, value, context, OPPOSITE[direction])[0]
        sources = [value, context, *weights]
        real = [source for source in sources if _is_real(source)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(real)
            outputs = self.run(weights, value, context, direction)
        found = tape.gradient(outputs, real, gradients, _ZERO)
        # Also wait until this step is done and its activations are freed.
        with tf.control_dependencies(found):
            value, found[0] = tf.identity(value), tf.identity(found[0])
        left = iter(found)
        return value, [next(left) if _is_real(source) else None for source in sources]


def _is_real(value: tf.Tensor | None) -> bool:
    return value is not None and value.dtype.is_floating


class TracedStep(RecomputableStep):
    """A step whose functions are in a graph once, however often they are called."""

    def __init__(self, step: FlowStep) -> None:
        super().__init__(step)
        plain = RecomputableStep(step)
        self._run = tf.function(plain.run, autograph=False)
        # Do not inline them: a call frees its memory when it returns. When inlined, one
        # value per step was seen to live until the end of the whole pass.
        self._pull_back = tf.function(
            plain.pull_back,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

    def run(self, *args: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PureStep`."""
        return self._run(*args)

    def pull_back(self, *args: Any) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """See `RecomputableStep`."""
        return self._pull_back(*args)


@dataclasses.dataclass(frozen=True)
class Pass:
    """A step's pass in one direction, with given values of all its variables."""

    step: RecomputableStep
    weights: Weights
    direction: str
    # Whether the weights are the values of the step's variables (not for repeats).
    is_own: bool = False

    @classmethod
    def of(cls, step: FlowStep, direction: str) -> Pass:
        """Returns a step's pass with the current values of its variables."""
        pure = RecomputableStep(step)
        return cls(pure, pure.weights(), direction, is_own=True)

    def run(self, value: tf.Tensor, context: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns value and log-det."""
        return self.step.run(self.weights, value, context, self.direction)

    def run_stored(self, value: tf.Tensor, context: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Does what `run` does; a step with its own weights may have side effects."""
        if self.is_own:
            return self.step.step._fused_pass(self.direction)(value, context)
        return self.run(value, context)


def recomputed(
    passes: Sequence[Pass], value: tf.Tensor, context: Any, source: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs passes in order, and keeps one value for the backward pass.

    Args:
      passes: The passes in the order in which they run.
      value: Input of the first pass.
      context: None or a tensor.
      source: "output" keeps the last output, and recomputes each input from its pass's
        output; "input" keeps the input of the only pass.

    Returns:
      The output of the last pass, and the sum of the log-dets.
    """
    contexts = [] if context is None else [context]

    @tf.custom_gradient
    def run(value: tf.Tensor, contexts: list[tf.Tensor], weights: list[Weights]) -> Any:
        context = contexts[0] if contexts else None
        output, log_dets = value, []
        for one, own in zip(passes, weights, strict=True):
            output, log_det = one.step.run(own, output, context, one.direction)
            log_dets.append(log_det)

        def pull_back(*gradients: tf.Tensor) -> Any:
            by_value, by_log_det = gradients
            known = output if source == "output" else value
            by_contexts, by_weights = [], []
            for one, own in zip(reversed(passes), reversed(weights), strict=True):
                known, (by_value, by_context, *by_own) = one.step.pull_back(
                    own,
                    known,
                    context,
                    (by_value, by_log_det),
                    one.direction,
                    source,
                )
                by_contexts.append(by_context)
                by_weights.append(by_own)
            return by_value, _sums(by_contexts, contexts), by_weights[::-1]

        return (output, tf.add_n(log_dets)), pull_back

    return run(value, contexts, [one.weights for one in passes])


def _sums(gradients: list[tf.Tensor | None], of: list[tf.Tensor]) -> list[Any]:
    """Returns the gradient by the context, if any, summed over the passes."""
    if not of:
        return []
    return [tf.add_n(gradients) if _is_real(of[0]) else None]
