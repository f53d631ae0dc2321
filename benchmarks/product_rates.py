"""How fast a framework multiplies matrices of the sizes of the models side by side.

    python benchmarks/product_rates.py tensorflow
    python benchmarks/product_rates.py xla
    .venv-peers/bin/python benchmarks/product_rates.py jax

Prints GF/s of chains of products `[m, k] x [k, n]`, float32, each after the one before:
what a framework reaches there bounds what a library on top of it can.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

# W5's layers (batch 100), W1's in training (512) and evaluation (4,096), a large one.
SIZES = [
    (100, 784, 400),
    (784, 100, 400),
    (100, 400, 784),
    (512, 21, 128),
    (512, 128, 128),
    (128, 512, 128),
    (4096, 128, 128),
    (2048, 2048, 2048),
]
CHAIN = 20


def tensorflow_chain(a: np.ndarray, b: np.ndarray, xla: bool) -> Callable[[], object]:
    """A function that runs the chain in TensorFlow."""
    import tensorflow as tf

    @tf.function(jit_compile=xla or None)
    def chain(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        value = tf.matmul(a, b)
        for _ in range(CHAIN - 1):
            value = tf.matmul(a + 1e-9 * value[0, 0], b)
        return value[0, 0]

    tensors = tf.constant(a), tf.constant(b)
    return lambda: chain(*tensors).numpy()


def jax_chain(a: np.ndarray, b: np.ndarray) -> Callable[[], object]:
    """A function that runs the chain in JAX."""
    import jax

    @jax.jit
    def chain(a: jax.Array, b: jax.Array) -> jax.Array:
        value = a @ b
        for _ in range(CHAIN - 1):
            value = (a + 1e-9 * value[0, 0]) @ b
        return value[0, 0]

    arrays = jax.numpy.asarray(a), jax.numpy.asarray(b)
    return lambda: chain(*arrays).block_until_ready()


def fastest_seconds(run: Callable[[], object], seconds: float) -> float:
    """Of the calls that fit into so many seconds."""
    run()  # compiles
    end, times = time.perf_counter() + seconds, []
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Prints a row a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=["tensorflow", "xla", "jax"])
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    for m, k, n in SIZES:
        a, b = rng.normal(size=(2, max(m, k), max(k, n))).astype("float32")
        a, b = a[:m, :k], b[:k, :n]
        if arguments.framework == "jax":
            run = jax_chain(a, b)
        else:
            run = tensorflow_chain(a, b, arguments.framework == "xla")
        rate = 2 * m * k * n * CHAIN / fastest_seconds(run, arguments.seconds) / 1e9
        print(f"{arguments.framework} [{m}, {k}] x [{k}, {n}]: {rate:.0f} GF/s")


if __name__ == "__main__":
    main()
