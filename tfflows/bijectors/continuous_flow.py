"""Continuous flows: the solution of a differential equation as a step."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common.variables import AutocastScope

from tfflows.backend.arguments import check_count, check_number, check_word
from tfflows.bijectors.empty_batches import never_empty
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.ode_solvers import (
    FIXED,
    METHODS,
    State,
    solve_adaptive,
    solve_fixed,
)
from tfflows.bijectors.probes import drawn_signs, sign_vectors, tiled, unit_vectors
from tfflows.bijectors.pure_functions import PureFunctions
from tfflows.bijectors.pure_step import PureStep, Weights
from tfflows.bijectors.recomputed_solver_step import RecomputedSolverStep
from tfflows.bijectors.shapes import event_shape, sum_over_event
from tfflows.bijectors.training_noise import training_seeds
from tfflows.bijectors.velocity import Velocity

DIVERGENCES = ("exact", "hutchinson")
_STREAM = 7  # of the signs in training
_ZERO = tf.UnconnectedGradients.ZERO


@keras.saving.register_keras_serializable("tfflows")
class ContinuousFlow(FlowStep):
    """Moves latents along a velocity field v(x, t): dx/dt = v(x, t), x(0) = z.

      forward:          x = z + integral of v(x(t), t) from t = 0 to 1
      forward log-det:  integral of tr(dv/dx)(x(t), t) from t = 0 to 1
      inverse:          z = x - integral of v(x(t), t), solved from t = 1 to 0
      inverse log-det:  -(integral of tr(dv/dx)(x(t), t))

    Both passes solve the equation by the same method, so the inverse undoes the forward
    pass up to the solver's error, not to rounding. `tfflows.models.solver_error`
    measures it; `evaluate` and exports warn if it is above `tolerance`.

    The divergence tr(dv/dx) is exact, by as many derivatives as an event has elements,
    or Hutchinson's estimate, the mean of e . (dv/dx) e over vectors e of random signs.
    In training each example has signs of its own at each step, fixed during the solve.
    Elsewhere all examples share `num_probes` vectors that follow from the seed, so that
    densities are deterministic and both passes agree. More probes lower the variance.

    The backward pass through fixed steps keeps the value at each step, and recomputes
    what lies between. That of "dopri5" solves the adjoint equation.

    Source: Grathwohl et al., "FFJORD: Free-form Continuous Dynamics for Scalable
    Reversible Generative Models", 2018, arXiv 1810.01367, equations 2 to 8; Chen et
    al., "Neural Ordinary Differential Equations", 2018, arXiv 1806.07366, theorem 1.

    Args:
      network: A Keras layer. One whose `call` takes `t` (or `time`), or a model of two
        inputs, gets x `[B, *event]` and t `[B, 1]`, and returns the velocity `[B,
        *event]`. Any other, as `networks.MLP` and `ConvNet`, gets the time as one more
        feature or channel and returns features, to which the step adds a head that
        starts at zero. A `context` is passed on as by `Coupling`. It has to be smooth
        in x, so no ReLU, and to treat rows independently.
      method: "rk4" or "midpoint" with fixed steps; or "dopri5" with adaptive ones, for
        evaluation: XLA does not compile it, and a row depends on its batch within the
        tolerance.
      num_steps: Number of fixed steps; "dopri5" ignores it.
      divergence: "exact", or "hutchinson" for events of many elements.
      num_probes: Vectors e of an estimate outside of training.
      tolerance: Relative and absolute, of "dopri5"; of fixed steps, the error in nats
        of a log-density above which `evaluate` and exports warn.
      seed: Fixes the vectors e.
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If a word is unknown or a number out of range; on `build`, if the
        network returns another shape.
    """

    # It recomputes by itself; and outside of the pass no one knows the noise.
    recomputed_from = None
    remedy = "more num_steps, method='dopri5'"

    def __init__(
        self,
        network: Any,
        method: str = "rk4",
        num_steps: int = 16,
        divergence: str = "exact",
        *,
        num_probes: int = 1,
        tolerance: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._functions = PureFunctions()
        self._velocity = Velocity(network, self.flow_dtype)
        self.network = network
        self.method = check_word("method", method, METHODS)
        self.num_steps = check_count("num_steps", num_steps)
        self.divergence = check_word("divergence", divergence, DIVERGENCES)
        self.num_probes = check_count("num_probes", num_probes)
        self.tolerance = float(check_number("tolerance", tolerance, above=0.0))
        self.seed = check_count("seed", seed, least=0)
        self._check_tolerance()
        self.supports_jit = method in FIXED
        self.jit_obstacle = "its solver's number of steps depends on the values"
        self.approximation = method
        if method in FIXED:
            self.approximation = f"{method} of {num_steps} steps"

    def _check_tolerance(self) -> None:
        least = 10.0 * np.finfo(self.flow_dtype.as_numpy_dtype).eps
        if self.method not in FIXED and self.tolerance < least:
            raise ValueError(
                f"expected tolerance >= {least:.1g}, what {self.flow_dtype.name} can "
                f"resolve, got {self.tolerance!r}"
            )

    def build(self, data_shape: Any) -> None:
        """Builds the network and its head, and draws the probes."""
        event = event_shape(data_shape, self.event_ndims, self.name)
        self._velocity.build(event, self.dtype_policy, self.name)
        self._head = self._velocity.head
        self._probes = self._directions(event)

    def _directions(self, event: tuple[int, ...]) -> np.ndarray:
        """The vectors e `[K, *event]`; of the exact trace, all unit vectors."""
        if self.divergence == "exact":
            return unit_vectors(event)
        return sign_vectors(event, self.num_probes, self.seed)

    def velocity(self, x: tf.Tensor, t: tf.Tensor, context: Any = None) -> tf.Tensor:
        """The velocities of a built step.

        Args:
          x: `[B, *event]`.
          t: Times `[B, 1]`, from 0 at the latents to 1 at the data.
          context: None or `[B, ...]`.

        Returns:
          `[B, *event]`.
        """
        return self._velocity(x, t, context)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._solve(z, context, backwards=False)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._solve(x, context, backwards=True)

    def _solve(self, value: tf.Tensor, context: Any, backwards: bool) -> State:
        signs = self._signs(value)
        rows = [value, *(part for part in (context, signs) if part is not None)]
        run = functools.partial(
            self._solution, backwards, context is not None, signs is not None
        )
        with AutocastScope(None):  # layers cast their weights themselves
            weights = PureStep(self).weights()
        return self._functions.call(run, rows, weights)

    def _solution(
        self,
        backwards: bool,
        has_context: bool,
        has_signs: bool,
        rows: Sequence[tf.Tensor],
        weights: Weights,
    ) -> State:
        """The end of the path of the first of `rows`; context and signs may follow."""
        given = iter(rows[1:])
        context = [next(given)] if has_context else []
        signs = next(given) if has_signs else None
        value = rows[0]
        if self.method in FIXED:
            step = RecomputedSolverStep(self, context, signs, weights)
            start = (value, tf.zeros(tf.shape(value)[:1], value.dtype))
            return solve_fixed(step, self.num_steps, start, backwards)

        def solve(value: tf.Tensor, context: Any) -> State:
            return self._adaptive(value, context, signs, weights, backwards)

        # Of no row, no step would be small enough.
        return never_empty(solve)(value, *context or [None])

    def _adaptive(
        self,
        value: tf.Tensor,
        context: Any,
        signs: tf.Tensor | None,
        weights: Weights,
        backwards: bool,
    ) -> State:
        # TFP's solver has derivatives by tensors that it is given by name.
        given = {f"weight_{k}": weight for k, weight in enumerate(weights)}
        names = {key for key, weight in given.items() if weight.dtype.is_floating}
        named = {key: given[key] for key in names}
        if context is not None and context.dtype.is_floating:
            named["context"] = context

        def field(time: tf.Tensor, x: tf.Tensor, **named: tf.Tensor) -> State:
            now = named.pop("context", context)
            with PureStep(self).values(tuple((given | named).values())):
                return self._field(time, x, now, signs)

        zeros = tf.zeros(tf.shape(value)[:1], value.dtype)
        return solve_adaptive(field, self.tolerance, (value, zeros), named, backwards)

    def _signs(self, value: tf.Tensor) -> tf.Tensor | None:
        """Fresh signs `[B, *event]` in training; None: the fixed vectors."""
        if self.divergence == "exact":
            return None
        seeds = training_seeds(_STREAM, tf.shape(value)[0])
        return None if seeds is None else drawn_signs(seeds, value)

    def _field(
        self, time: tf.Tensor, x: tf.Tensor, context: Any, signs: tf.Tensor | None
    ) -> State:
        """The velocity `[B, *event]` and its divergence `[B]` at one time."""
        rows, number = tf.shape(x)[0], 1 if signs is not None else len(self._probes)
        if signs is None:
            signs = tf.repeat(tf.constant(self._probes, x.dtype), rows, axis=0)
        many = tiled(x, number)
        context = None if context is None else tiled(context, number)
        times = tf.fill([rows * number, 1], time)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(many)
            velocity = self._velocity(many, times, context)
        # e . (dv/dx) e for each direction e of each row, in one backward pass.
        products = tape.gradient(velocity, many, signs, unconnected_gradients=_ZERO)
        sums = tf.reshape(sum_over_event(products * signs), [number, rows])
        scale = 1.0 if self.divergence == "exact" else 1.0 / number
        return velocity[:rows], scale * tf.reduce_sum(sums, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("method", "num_steps", "divergence", "num_probes", "tolerance", "seed")
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ContinuousFlow:
        """Returns a new step with the same config."""
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})
