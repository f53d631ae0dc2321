"""The D-step pass of an autoregressive flow beside its training step.

    taskset -c 0 python benchmarks/autoregressive_sampling.py

prints CPU seconds of a MAF on 43 dimensions (5 steps, MADEs of 2x512): a training step
of 512 events, and densities and samples of 4,096.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import tfflows


def seconds(function: Callable, argument: tf.Tensor, repeats: int) -> float:
    """Mean CPU seconds of a call, after two that trace and warm up."""
    for _ in range(2):
        function(argument)
    start = time.process_time()
    for _ in range(repeats):
        function(argument)
    return (time.process_time() - start) / repeats


def main() -> None:
    """Measures and prints."""
    flow = tfflows.models.maf((43,), num_steps=5, hidden_units=(512, 512))
    optimizer = keras.optimizers.Adam(1e-4)
    weights = flow.trainable_variables
    optimizer.build(weights)

    @tf.function
    def train(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow(x, training=True))
        gradients = tape.gradient(loss, weights)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    sample = tf.function(lambda number: flow.sample(number, seed=0))
    x = tf.constant(np.random.default_rng(0).normal(size=(4096, 43)), tf.float32)
    step = seconds(train, x[:512], 20)
    print(f"training step of 512: {step:.3f} s")
    for name, function, argument in (
        ("log_prob", tf.function(flow), x),
        ("sample", sample, tf.constant(4096)),
    ):
        value = seconds(function, argument, 5)
        print(f"{name} of 4,096: {value:.3f} s, {value / step:.1f} training steps")


if __name__ == "__main__":
    main()
