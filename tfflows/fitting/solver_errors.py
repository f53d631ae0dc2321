"""How far a model's solvers and series are from the exact log-density."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.compiled import inside
from tfflows.bijectors import FlowStep, Repeated
from tfflows.bijectors.ode_solvers import refined
from tfflows.fitting.batch import Batch, first_batch

_ROWS = 64  # of those that are looked at unasked


class SolverError(NamedTuple):
    """Differences in nats between log-densities and those of finer approximations.

    Attributes:
      mean: The mean absolute difference over the rows.
      largest: The largest.
    """

    mean: float
    largest: float


def solver_error(model: Any, x: Any, context: Any = None) -> SolverError:
    """Measures the error of a model's solvers and series in its log-densities.

    It computes them again with twice as many steps or terms or, of "dopri5", with half
    the tolerance. The error of Hutchinson's estimate is not measured: its vectors stay.

    Args:
      model: A model with a `ContinuousFlow` or a `Residual` of a series.
      x: Raw data `[B, *event]`.
      context: None or, of a conditional model, as in `log_prob`.

    Raises:
      ValueError: If the model has no such step; for data as in `log_prob`.
    """
    if not _approximate_steps(model):
        raise ValueError(
            f"{model.name}: expected a model with a ContinuousFlow or a Residual of "
            "log_det='series', got none"
        )
    with inside():  # a compiled function would keep the solver of its trace
        y = model.dequantize(x)
        c = model._embedded(context, y, len(model.event_shape))
        log_prob = model._log_prob_given(y, c)
        with refined(2):
            finer = model._log_prob_given(y, c)
    both = tf.math.is_finite(log_prob) | tf.math.is_finite(finer)
    difference = np.abs((log_prob - finer).numpy()[both.numpy()])
    if not difference.size:
        return SolverError(0.0, 0.0)
    return SolverError(float(np.mean(difference)), float(np.max(difference)))


def warn_if_coarse(model: Any, data: Any, where: str) -> None:
    """Warns if a model's log-densities are less exact than its tolerance, on some rows.

    Args:
      model: Any model.
      data: A batch in any of its forms, or a dataset of batches, of which the first
        counts; of anything else, nothing is measured.
      where: Who asks, for the message.
    """
    steps = _approximate_steps(model)
    known = isinstance(data, tf.data.Dataset | tf.Tensor | np.ndarray | dict | tuple)
    if not steps or not known:
        return
    batch = Batch.of(first_batch(data))
    rows = [None if p is None else p[:_ROWS] for p in (batch.x, batch.context)]
    context = rows[1]
    if context is not None and context.shape.rank < len(model.context_shape) + 1:
        context = batch.context  # one for all
    tolerance, error = (
        min(step.tolerance for step in steps),
        solver_error(model, rows[0], context),
    )
    if error.mean <= tolerance:
        return
    approximations = sorted({step.approximation for step in steps})
    remedies = sorted({step.remedy for step in steps})
    warnings.warn(
        f"{where}: expected log-densities within tolerance={tolerance:g} nats of the "
        f"exact solution, got a mean error of {error.mean:.2g} (largest "
        f"{error.largest:.2g}) with {', '.join(approximations)}; take "
        f"{', '.join(remedies)}, or a higher tolerance",
        stacklevel=3,
    )


def _approximate_steps(layer: keras.layers.Layer) -> list[Any]:
    """Returns the steps below a layer that say what is approximate in them."""
    found: list[Any] = []
    for part in layer._flatten_layers():
        if isinstance(part, Repeated):  # Keras does not see its step
            found += _approximate_steps(part.step)
        elif isinstance(part, FlowStep) and part.approximation is not None:
            found.append(part)
    return found
