"""Functions of tensors alone that run in a graph of their own in eager mode."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import tensorflow as tf

from tfflows.backend.compiled import as_written
from tfflows.bijectors.ode_solvers import refinement

Run = Callable[..., Any]


class PureFunctions:
    """Traced functions of a step, for eager mode, where its loops would be slow.

    The functions read no variables: weights are arguments. Copies and pickles are
    empty.
    """

    def __init__(self) -> None:
        self._functions: dict[Hashable, Run] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return PureFunctions, ()

    def call(
        self,
        run: functools.partial[Any],
        rows: Sequence[tf.Tensor],
        weights: Sequence[tf.Tensor],
    ) -> Any:
        """Returns `run(rows, weights)`.

        Args:
          run: A method of the step, with its arguments that are no tensors.
          rows: Tensors `[B, ...]`.
          weights: Tensors of known shapes.
        """
        if not tf.executing_eagerly() or tf.config.functions_run_eagerly():
            return run(rows, tuple(weights))
        specs = [tf.TensorSpec([None, *row.shape[1:]], row.dtype) for row in rows]
        key = (run.func.__name__, run.args, refinement(), *specs)
        if key not in self._functions:
            signature = [specs, [tf.TensorSpec(w.shape, w.dtype) for w in weights]]
            traced = tf.function(
                lambda rows, weights: run(rows, tuple(weights)), autograph=False
            )
            self._functions[key] = traced.get_concrete_function(*signature)
        with as_written():
            return self._functions[key](list(rows), list(weights))
