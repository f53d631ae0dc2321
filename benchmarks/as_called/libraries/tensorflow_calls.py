"""tfflows and stock TFP, as their documentation calls them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from side_by_side.workloads import Workload

from as_called.work import BATCH_SIZE, Calls


class TfflowsCalls:
    """`tfflows.models.realnvp`, then `log_prob`, `sample` and `fit` on arrays.

    Compiled: `tf.function(jit_compile=True)`, and `compile` with `jit_compile` and
    `steps_per_execution="auto"`.
    """

    def __init__(self, work: Workload, compiled: bool) -> None:
        import tfflows

        self._x = work.data()
        self._flow = tfflows.models.realnvp(
            work.event_shape, **work.model, actnorm=False
        )
        self._log_prob, self._sample = self._flow.log_prob, self._flow.sample
        self._compiled = compiled
        if compiled:
            self._log_prob = tf.function(self._flow.log_prob, jit_compile=True)
            self._sample = tf.function(self._flow.sample, jit_compile=True)

    def log_prob(self, rows: int) -> np.ndarray:
        """`flow.log_prob(x)` of an array."""
        return self._log_prob(self._x[:rows]).numpy()

    def sample(self, rows: int) -> np.ndarray:
        """`flow.sample(n)`; compiled, with a seed, or it would draw the same again."""
        if self._compiled:
            seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
            return self._sample(rows, seed=seed).numpy()
        return self._sample(rows).numpy()

    def fit(self, steps: int) -> float:
        """One epoch of `flow.fit(x, batch_size=512)`."""
        if not self._flow.compiled:
            how = {"jit_compile": True, "steps_per_execution": "auto"}
            self._flow.compile("adam", **(how if self._compiled else {}))
        x = self._x[: steps * BATCH_SIZE]
        history = self._flow.fit(x, batch_size=BATCH_SIZE, verbose=0).history
        return float(history["loss"][-1])


class TFPCalls:
    """A `tfd.TransformedDistribution` of `tfb.RealNVP`s.

    Compiled by XLA in a `tf.function`; plain, only the training step is a
    `tf.function`, without XLA.
    """

    def __init__(self, work: Workload, compiled: bool) -> None:
        from side_by_side.contestants import tfp_stock

        self._x = tf.constant(work.data())
        flow, variables, adam = tfp_stock.realnvp(work).parts()
        self._log_prob, self._sample = flow.log_prob, flow.sample
        if compiled:
            self._log_prob = tf.function(flow.log_prob, jit_compile=True)
            self._sample = tf.function(flow.sample, jit_compile=True)

        @tf.function(jit_compile=compiled or None)
        def step(batch: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(flow.log_prob(batch))
            gradients = tape.gradient(loss, variables)
            adam.apply_gradients(zip(gradients, variables, strict=True))
            return loss

        self._step = step

    def log_prob(self, rows: int) -> np.ndarray:
        """`flow.log_prob(x)`."""
        return self._log_prob(self._x[:rows]).numpy()

    def sample(self, rows: int) -> np.ndarray:
        """`flow.sample(n)`."""
        seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
        return self._sample(rows, seed=seed).numpy()

    def fit(self, steps: int) -> float:
        """A loop over batches of a shuffled epoch."""
        order = tf.random.shuffle(tf.range(steps * BATCH_SIZE))
        losses = [
            self._step(tf.gather(self._x, rows)) for rows in tf.split(order, steps)
        ]
        return float(tf.reduce_mean(losses))


def calls(library: str, way: str, work: Workload) -> Calls:
    """The library's model, called in one way."""
    kind = {"tfflows": TfflowsCalls, "tfp_stock": TFPCalls}[library]
    return kind(work, compiled=way == "compiled")
