"""The training loop around TensorFlow Probability's distributions."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from side_by_side.workloads import Workload


class TFPContestant:
    """A distribution under Adam, each call one `tf.function`.

    Args:
      workload: The work.
      flow: A `tfd.Distribution`.
      variables: What training changes.
      jit: Whether XLA compiles.
    """

    def __init__(
        self,
        workload: Workload,
        flow: Any,
        variables: Sequence[tf.Variable],
        jit: bool = True,
    ) -> None:
        self._workload, self._variables = workload, list(variables)
        x = tf.constant(workload.data())
        batch_size, number = workload.batch_size, workload.num_events
        adam = tf_keras.optimizers.Adam(workload.learning_rate, jit_compile=False)
        adam.build(self._variables)

        @tf.function(jit_compile=jit)
        def step(batch):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(flow.log_prob(batch))
            gradients = tape.gradient(loss, self._variables)
            adam.apply_gradients(zip(gradients, self._variables, strict=True))
            return loss

        @tf.function
        def gather(order, index):
            start = index * batch_size
            return tf.gather(x, order[start : start + batch_size])

        self._parts = flow, self._variables, adam
        self._step, self._gather = step, gather
        self._log_prob = tf.function(lambda: flow.log_prob(x[:number]), jit_compile=jit)
        self._sample = tf.function(
            lambda seed: flow.sample(number, seed=seed), jit_compile=jit
        )
        self._batches = self._shuffled_batches(len(x), batch_size)
        self._draws = 0

    def _shuffled_batches(self, size: int, batch_size: int):
        while True:
            order = tf.random.shuffle(tf.range(size))
            for index in range(size // batch_size):
                yield self._gather(order, tf.constant(index))

    def parts(self) -> tuple[Any, list[tf.Variable], Any]:
        """The distribution, what training changes, and Adam."""
        return self._parts

    def num_parameters(self) -> int:
        """Numbers that training changes."""
        return count(self._variables)

    def train(self, steps: int) -> float:
        """Trains for so many steps; the mean of their losses."""
        losses = [self._step(next(self._batches)) for _ in range(steps)]
        return float(tf.reduce_mean(losses))

    def log_prob(self) -> np.ndarray:
        """In a `tf.function`."""
        return self._log_prob().numpy()

    def sample(self) -> np.ndarray:
        """In a `tf.function`."""
        self._draws += 1
        return self._sample(tf.constant([0, self._draws])).numpy()


def count(variables: Sequence[tf.Variable]) -> int:
    """How many numbers they hold."""
    return sum(int(np.prod(v.shape)) for v in variables)


def tfp_versions() -> dict[str, str]:
    """Those of the libraries."""
    names = ("tensorflow_probability", "tensorflow", "tf_keras")
    return {name: importlib.metadata.version(name) for name in names}
