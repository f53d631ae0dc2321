"""Samples of a TarFlow: cached keys and values beside a pass over all patches each.

    taskset -c 0 python benchmarks/tarflow_sampling.py

prints CPU seconds of 16 samples from one step of `TransformerAutoregressive` (4 layers
of width 64) over 16, 64 and 256 patches of 12 numbers: its forward pass, whose loop
keeps keys and values, the naive loop, which runs the whole transformer for each patch,
and a density. Both loops are a `tf.while_loop` in a graph, and give the same samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfflows import bijectors as fb

ROWS, CHANNELS = 16, 12


def naive_forward(step: fb.TransformerAutoregressive, z: tf.Tensor) -> tf.Tensor:
    """Samples by a pass of the transformer over all patches, for each patch."""
    size = z.shape[1]

    def body(t: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        params = step.network(x)[:, t]
        token, _ = step.law.forward(z[:, t], params)
        known = tf.transpose(x, [1, 0, 2])
        known = tf.tensor_scatter_nd_update(known, [[t]], token[tf.newaxis])
        return t + 1, tf.ensure_shape(tf.transpose(known, [1, 0, 2]), z.shape)

    return tf.while_loop(lambda t, _: t < size, body, (0, tf.zeros_like(z)))[1]


def seconds(function: Callable, argument: tf.Tensor, repeats: int = 3) -> float:
    """Least CPU seconds of a call of a function that is traced."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        function(argument)
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    """Measures and prints."""
    print("patches  cached, s  naive, s  ratio  density, s")
    for size in (16, 64, 256):
        step = fb.TransformerAutoregressive(4, 64, 4)
        step.build((None, size, CHANNELS))
        rng = np.random.default_rng(0)
        for weight in step.trainable_weights:  # away from the identity
            noise = 0.02 * rng.standard_normal(weight.shape)
            weight.assign_add(noise.astype("float32"))
        z = tf.constant(rng.normal(size=(ROWS, size, CHANNELS)), tf.float32)
        cached = tf.function(step.forward)
        naive = tf.function(lambda z, step=step: naive_forward(step, z))
        density = tf.function(step.inverse_and_log_det)
        np.testing.assert_allclose(cached(z), naive(z), atol=1e-3)
        density(z)
        fast, slow = seconds(cached, z), seconds(naive, z, repeats=1)
        print(
            f"{size:7} {fast:10.3f} {slow:9.3f} {slow / fast:6.1f} "
            f"{seconds(density, z):11.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
