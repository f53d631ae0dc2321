"""The products of W1's dense layers and nothing else: the machine's limit."""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf
from side_by_side.workloads import Workload

from as_called.libraries.times import times_of
from as_called.work import BATCH_SIZE, Calls


class Products:
    """A chain of the layers' products under XLA, many passes in one program."""

    def __init__(self, work: Workload) -> None:
        rng, self._half = np.random.default_rng(0), work.dimensions // 2
        sizes = [self._half, *work.model["hidden_units"], 2 * self._half]
        self._kernels = [
            tf.Variable(rng.normal(size=(m, n)) / m**0.5, dtype=tf.float32)
            for _ in range(work.model["num_couplings"])
            for m, n in itertools.pairwise(sizes)
        ]
        self._x = tf.constant(work.data())
        self._passes = tf.function(self._many, jit_compile=True, autograph=False)
        self._steps = tf.function(self._gradients, jit_compile=True, autograph=False)

    def _chain(self, x: tf.Tensor) -> tf.Tensor:
        for kernel in self._kernels:
            x = x[:, : kernel.shape[0]] @ kernel
        return x

    def _many(self, x: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(
            lambda i, _: i < times,
            lambda i, x: (i + 1, self._chain(x)),
            (0, x[:, : 2 * self._half]),
        )[1]

    def _gradients(self, x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(self._chain(x))
        return tape.gradient(total, self._kernels)

    def log_prob(self, rows: int) -> np.ndarray:
        """The products of as many densities; `times` of them, see `times_of`."""
        return self._passes(self._x[:rows], times_of("log_prob", rows)).numpy()

    def sample(self, rows: int) -> np.ndarray:
        """The same products."""
        return self.log_prob(rows)

    def fit(self, steps: int) -> float:
        """Those of as many steps, forward and both gradients."""
        for _ in range(steps):
            gradients = self._steps(self._x[:BATCH_SIZE])
        return float(gradients[0][0, 0])


def calls(library: str, way: str, work: Workload) -> Calls:
    """The only way."""
    return Products(work)
