"""What the JAX contestants share: networks and the training loop, all compiled."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from side_by_side.workloads import Workload

# A dense layer: its kernel [in, out] and bias [out].
Layer = tuple[jax.Array, jax.Array]


class JaxContestant:
    """Pure functions of a tree of parameters, under Adam.

    Args:
      workload: The work.
      params: The tree; all its leaves are trained.
      log_prob: Maps the tree, events `[N, *event]` and a key to their log-densities
        `[N]`, or to draws of bounds of them.
      sample: Maps the tree, a key and a static number to so many events.
    """

    def __init__(
        self,
        workload: Workload,
        params: Any,
        log_prob: Callable,
        sample: Callable,
    ) -> None:
        self._workload, self._params = workload, params
        adam = optax.adam(workload.learning_rate)
        self._state = adam.init(params)
        self._data = jnp.asarray(workload.data())
        self._rows = shuffled_rows(len(self._data), workload.batch_size)
        self._key = jax.random.key(0)
        self._plain = log_prob, sample
        self._log_prob = jax.jit(log_prob)
        self._sample = jax.jit(sample, static_argnums=2)

        def loss(params, x, key):
            return -log_prob(params, x, key).mean()

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def train(params, state, data, rows, key):
            def step(carry, rows_and_key):
                params, state = carry
                rows, key = rows_and_key
                gradient = jax.value_and_grad(loss)
                value, grads = gradient(params, data[rows], key)
                updates, state = adam.update(grads, state, params)
                return (optax.apply_updates(params, updates), state), value

            keys = jax.random.split(key, len(rows))
            carry, losses = jax.lax.scan(step, (params, state), (rows, keys))
            return *carry, losses.mean()

        self._train = train

    def parts(self) -> tuple[Any, Callable, Callable]:
        """A copy of the tree, and what it was made with: densities and samples."""
        return jax.tree.map(jnp.copy, self._params), *self._plain

    def num_parameters(self) -> int:
        """Numbers that training changes."""
        return sum(leaf.size for leaf in jax.tree.leaves(self._params))

    def _next_key(self) -> jax.Array:
        self._key, key = jax.random.split(self._key)
        return key

    def train(self, steps: int) -> float:
        """Trains for so many steps; the mean of their losses."""
        rows = np.stack([next(self._rows) for _ in range(steps)])
        self._params, self._state, loss = self._train(
            self._params, self._state, self._data, rows, self._next_key()
        )
        return float(loss)

    def log_prob(self) -> np.ndarray:
        """Compiled."""
        events = self._data[: self._workload.num_events]
        return np.asarray(self._log_prob(self._params, events, self._key))

    def sample(self) -> np.ndarray:
        """Compiled."""
        number = self._workload.num_events
        return np.asarray(self._sample(self._params, self._next_key(), number))


def shuffled_rows(size: int, batch_size: int) -> Iterator[np.ndarray]:
    """Rows of batches without end, every row once an epoch."""
    rng = np.random.default_rng(1)
    while True:
        order = rng.permutation(size).astype("int32")
        for start in range(0, size - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def mlp_params(
    key: jax.Array, inputs: int, hidden: Sequence[int], outputs: int
) -> list[Layer]:
    """Glorot's start of dense layers; the last starts at zero."""
    sizes = [inputs, *hidden]
    start = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(key, len(hidden))
    layers = [
        (start(k, shape), jnp.zeros(shape[1]))
        for k, shape in zip(keys, itertools.pairwise(sizes), strict=True)
    ]
    return [*layers, (jnp.zeros((sizes[-1], outputs)), jnp.zeros(outputs))]


def mlp(layers: Sequence[Layer], x: jax.Array) -> jax.Array:
    """Dense layers, the hidden ones rectified."""
    for kernel, bias in layers[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = layers[-1]
    return x @ kernel + bias


def jax_versions(*libraries: str) -> dict[str, str]:
    """Those of the libraries and of JAX."""
    names = (*libraries, "jax", "optax")
    return {name: importlib.metadata.version(name) for name in names}
