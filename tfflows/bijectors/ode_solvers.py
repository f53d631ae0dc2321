"""Solvers of the ordinary differential equations of continuous flows.

The state is a value and the log-det that it has gathered. Fixed steps run in one
`tf.while_loop`, which XLA compiles and exports keep; the adaptive solver is TFP's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

State = tuple[tf.Tensor, tf.Tensor]
# From a time and a value `[B, *event]` to its derivative and the log-det's `[B]`.
Field = Callable[[tf.Tensor, tf.Tensor], State]
# From a time, the size of a step and a state to the state after it.
Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], State]


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method.

    Attributes:
      order: The error of a solution falls with the size of a step to this power.
      stages: For each stage but the first, the weights of the stages before it; they
        sum up to the stage's time.
      weights: The weights of the stages in the step.
    """

    order: int
    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


FIXED = {
    "midpoint": Tableau(2, ((0.5,),), (0.0, 1.0)),
    "rk4": Tableau(
        4, ((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    ),
}
ADAPTIVE = ("dopri5",)
METHODS = (*FIXED, *ADAPTIVE)

# How many times finer than configured the solvers of this thread work.
_REFINEMENT: ContextVar[int] = ContextVar("refinement", default=1)


def refinement() -> int:
    """Returns how many times finer than configured the solvers work: see `refined`."""
    return _REFINEMENT.get()


@contextlib.contextmanager
def refined(factor: int) -> Iterator[None]:
    """Inside, fixed steps are smaller, and tolerances lower, by a factor."""
    token = _REFINEMENT.set(factor)
    try:
        yield
    finally:
        _REFINEMENT.reset(token)


def runge_kutta(
    method: str, field: Field, time: tf.Tensor, size: tf.Tensor, state: State
) -> State:
    """Takes one step of a fixed-step method.

    Args:
      method: A key of `FIXED`.
      field: The derivatives.
      time: The time at the start of the step.
      size: The step's length, negative for steps back in time.
      state: The state at the start.
    """
    tableau = FIXED[method]
    slopes = [field(time, state[0])]
    for row in tableau.stages:
        moved = _combined(state, size, row, slopes)
        slopes.append(field(time + sum(row) * size, moved[0]))
    return _combined(state, size, tableau.weights, slopes)


def _combined(
    state: State, size: tf.Tensor, weights: tuple[float, ...], slopes: list[State]
) -> State:
    used = [(w, slope) for w, slope in zip(weights, slopes, strict=True) if w]
    value, log_det = [
        part + size * tf.add_n([w * slope[k] for w, slope in used])
        for k, part in enumerate(state)
    ]
    return value, log_det


def solve_fixed(step: Step, num_steps: int, state: State, backwards: bool) -> State:
    """Takes equal steps from time 0 to 1, or from 1 to 0.

    Args:
      step: The step.
      num_steps: Their number; `refined` multiplies it.
      state: The state at the start.
      backwards: Whether to go from 1 to 0.
    """
    number, dtype = num_steps * _REFINEMENT.get(), state[0].dtype
    start = tf.constant(1.0 if backwards else 0.0, dtype)
    size = tf.constant((-1.0 if backwards else 1.0) / number, dtype)

    def body(k: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return k + 1, *step(start + tf.cast(k, dtype) * size, size, *state)

    _, value, log_det = tf.while_loop(
        lambda k, *_: k < number,
        body,
        (tf.constant(0), *state),
        maximum_iterations=number,
    )
    return value, log_det


def solve_adaptive(
    field: Callable[..., State],
    tolerance: float,
    state: State,
    constants: Mapping[str, tf.Tensor],
    backwards: bool,
) -> State:
    """Solves from time 0 to 1, or from 1 to 0, by Dormand and Prince's method.

    The size of the steps is the same for all rows of a batch, so a row's result depends
    on the others, within the tolerance.

    Args:
      field: The derivatives, of a time, a value, and the constants by name.
      tolerance: Of the solver, relative and absolute; `refined` lowers it.
      state: The state at the start.
      constants: All tensors by which there are derivatives, besides the state.
      backwards: Whether to go from 1 to 0.
    """
    dtype = state[0].dtype
    tolerance = tolerance / _REFINEMENT.get()
    start, sign = (1.0, -1.0) if backwards else (0.0, 1.0)

    def slopes(clock: tf.Tensor, state: State, **constants: tf.Tensor) -> State:
        time = start + sign * tf.cast(clock, dtype)  # the clock goes from 0 to 1
        value, log_det = field(time, state[0], **constants)
        return sign * value, sign * log_det

    solver = tfp.math.ode.DormandPrince(rtol=tolerance, atol=tolerance)
    end = tf.constant([1.0], dtype)
    found = solver.solve(
        slopes,
        tf.zeros([], dtype),
        state,
        solution_times=end,
        constants=dict(constants),
    )
    value, log_det = (part[0] for part in found.states)
    return value, log_det
