"""The JAX libraries, as their documentation calls them."""

from __future__ import annotations

import functools
import importlib

import jax
import numpy as np
import optax
from side_by_side.workloads import Workload

from as_called.work import BATCH_SIZE, Calls


class JaxCalls:
    """Calls op by op, and a loop of steps under `jax.jit`, as all examples train.

    Compiled: densities and samples by `jax.jit`, and an epoch as one program.
    """

    def __init__(self, library: str, work: Workload, compiled: bool) -> None:
        module = importlib.import_module(f"side_by_side.contestants.{library}")
        self._contestant = module.realnvp(work)
        self._params, log_prob, sample = self._contestant.parts()
        self._x, self._key = jax.numpy.asarray(work.data()), jax.random.key(0)
        self._log_prob, self._sample, self._compiled = log_prob, sample, compiled
        if compiled:
            self._log_prob = jax.jit(log_prob)
            self._sample = jax.jit(sample, static_argnums=2)
        adam = optax.adam(work.learning_rate)
        self._state = adam.init(self._params)

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(params, state, x, key):
            loss, grads = jax.value_and_grad(
                lambda params: -log_prob(params, x, key).mean()
            )(params)
            updates, state = adam.update(grads, state, params)
            return optax.apply_updates(params, updates), state, loss

        self._step = step

    def _next_key(self) -> jax.Array:
        self._key, key = jax.random.split(self._key)
        return key

    def log_prob(self, rows: int) -> np.ndarray:
        """`flow.log_prob(x)`."""
        return np.asarray(self._log_prob(self._params, self._x[:rows], self._key))

    def sample(self, rows: int) -> np.ndarray:
        """`flow.sample(key, n)`."""
        return np.asarray(self._sample(self._params, self._next_key(), rows))

    def fit(self, steps: int) -> float:
        """A loop over batches of a shuffled epoch."""
        if self._compiled:
            return self._contestant.train(steps)
        order = jax.random.permutation(self._next_key(), steps * BATCH_SIZE)
        losses = []
        for rows in order.reshape(steps, BATCH_SIZE):
            self._params, self._state, loss = self._step(
                self._params, self._state, self._x[rows], self._next_key()
            )
            losses.append(loss)
        return float(np.mean([float(loss) for loss in losses]))


def calls(library: str, way: str, work: Workload) -> Calls:
    """The library's model, called in one way."""
    return JaxCalls(library, work, compiled=way == "compiled")
