"""W1's dense layers alone beside its whole density: what a faster flow could save.

    python benchmarks/bare_products.py

4,096 events go through the dense layers of ten couplings, products, biases and
rectifiers with nothing between them, and in turn through the RealNVP of `side_by_side`,
both with XLA and without. Prints medians, in milliseconds of wall and of CPU time.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from side_by_side.contestants.tfflows_fit import MODELS
from side_by_side.workloads import WORKLOADS

from tfflows.backend.memory import keep_freed_memory

WORKLOAD = WORKLOADS["realnvp"]
ROUNDS = 20


def bare_layers() -> Callable[[tf.Tensor], tf.Tensor]:
    """The dense layers of all couplings, one after the other, on `[N, 43]`."""
    rng, half = np.random.default_rng(0), WORKLOAD.dimensions // 2
    sizes = [half, *WORKLOAD.model["hidden_units"], 2 * half]
    coupling = [
        (tf.constant(rng.normal(size=(m, n)) / m**0.5, tf.float32), tf.zeros(n))
        for m, n in itertools.pairwise(sizes)
    ]

    def run(x: tf.Tensor) -> tf.Tensor:
        for _ in range(WORKLOAD.model["num_couplings"]):
            x = x[:, :half]
            for kernel, bias in coupling[:-1]:
                x = tf.nn.relu(tf.nn.bias_add(x @ kernel, bias))
            kernel, bias = coupling[-1]
            x = tf.nn.bias_add(x @ kernel, bias)
        return x

    return run


def main() -> None:
    """Prints a line for each."""
    keep_freed_memory()
    events = tf.constant(WORKLOAD.data()[: WORKLOAD.num_events])
    flow = MODELS["realnvp"](WORKLOAD)
    functions = {
        f"{name}, {'XLA' if xla else 'no XLA'}": tf.function(
            function, jit_compile=xla or None, autograph=False
        )
        for name, function in (("layers", bare_layers()), ("density", flow.log_prob))
        for xla in (True, False)
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(ROUNDS + 1):
        for name, function in functions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            function(events).numpy()
            passed = time.perf_counter() - wall, time.process_time() - cpu
            times[name].append(passed)
    for name, passed in times.items():
        wall, cpu = (
            1e3 * statistics.median(each) for each in zip(*passed[1:], strict=True)
        )
        print(f"{name}: {wall:.1f} ms, {cpu:.1f} ms of CPU time")


if __name__ == "__main__":
    main()
