"""A chain whose backward pass needs less memory than `Chain`'s."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, TypeGuard

import keras
import tensorflow as tf

from tfflows.bijectors.chain import Chain
from tfflows.bijectors.composite import Composite, is_transparent, passes_of
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.recompute import Pass, recomputed
from tfflows.bijectors.shapes import no_log_det

BACKPROPS = ("stored", "remat", "reversible")


@keras.saving.register_keras_serializable("tfflows")
class RecomputedChain(Chain):
    """A `Chain` that recomputes its intermediate values in the backward pass.

    With f_k the k-th step from latent to data, g_k its inverse, it computes the same:

      forward:          x = f_1(f_2(... f_K(z)))
      forward log-det:  sum_k log|det df_k/dx_k|
      inverse:          z = g_K(... g_2(g_1(x)))
      inverse log-det:  sum_k log|det dg_k/dx_{k-1}|

    The backward pass goes from step to step. "reversible" keeps only the last value,
    and computes each step's input from its output by the other pass. "remat" keeps each
    step's input. Both then run the step again. Compared with "stored", "remat" costs
    one more pass and "reversible" two.

    This holds for the steps inside `Chain`, `Invert`, `Repeated` and the levels of
    `Multiscale`; subclasses of these count as one step. Steps set an attribute
    `recomputed_from`: "reversible" keeps the input of steps whose other pass is
    missing, expensive or numeric, and both keep all values of a `TFPStep`.

    Only first derivatives are available. Source: Gomez et al., "The Reversible Residual
    Network", 2017, arXiv 1707.04585, section 3.

    Args:
      steps: As in `Chain`.
      backprop: "reversible" or "remat".
      **kwargs: Arguments of `Chain`.

    Raises:
      ValueError: If backprop is unknown; in a pass, if a step assigns variables.
    """

    def __init__(
        self, steps: Iterable[Any], *, backprop: str = "reversible", **kwargs: Any
    ) -> None:
        if backprop not in BACKPROPS[1:]:
            raise ValueError(
                f"expected backprop of {BACKPROPS[1:]}, got {backprop!r}; a Chain is "
                "'stored'"
            )
        super().__init__(steps, **kwargs)
        self.backprop = backprop

    def _through(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._run(self.passes(direction), value, context)

    def _run(
        self, passes: list[Pass], value: tf.Tensor, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_dets = [no_log_det(value)]
        for source, group in itertools.groupby(passes, self._source):
            alike = list(group)
            runs = [alike] if source == "output" else [[one] for one in alike]
            for run in runs:
                if source is None:
                    value, log_det = self._stored(run[0], value, context)
                else:
                    value, log_det = recomputed(run, value, context, source)
                log_dets.append(log_det)
        return value, tf.add_n(log_dets)

    def _source(self, one: Pass) -> str | None:
        """Returns what to keep of a pass for the backward pass; None for everything."""
        step = one.step.step
        if _is_walked(step):
            return None  # `_stored` decides about its parts
        parts = [part for part in step._flatten_layers() if isinstance(part, FlowStep)]
        sources = {part.recomputed_from for part in parts}
        if None in sources:
            return None
        undone = self.backprop == "reversible" and step.has_inverse
        return "output" if undone and sources == {"output"} else "input"

    def _stored(
        self, one: Pass, value: tf.Tensor, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        step = one.step.step
        if not _is_walked(step):
            return one.run_stored(value, context)
        log_dets = []

        def run(part: FlowStep, value: tf.Tensor, direction: str) -> tf.Tensor:
            value, log_det = self._run(passes_of(part, direction), value, context)
            log_dets.append(log_det)
            return value

        return step._walk(value, one.direction, run), tf.add_n(log_dets)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "backprop": self.backprop}


def _is_walked(step: FlowStep) -> TypeGuard[Composite]:
    # Parts of other composites are already passes; a repeated step's have a pass's
    # weights.
    return is_transparent(step) and not step.is_sequence
