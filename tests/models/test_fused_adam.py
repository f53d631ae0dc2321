"""Adam in one operation: the same steps as Keras' own."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfflows.fitting.fused_adam import fused_adam


class _MyAdam(keras.optimizers.Adam):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, gradient)


def _trained(make, context):
    optimizer = make()
    weights = [keras.Variable(np.linspace(-1.0, 2.0, n)) for n in (1, 5)]
    optimizer.build(weights)
    for step in range(1, 21):
        gradients = [tf.sin(step * weight.value) for weight in weights]
        with context(optimizer):
            optimizer.apply_gradients(zip(gradients, weights, strict=True))
    return np.concatenate([weight.numpy() for weight in weights])


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9, epsilon=0.1),
        lambda: keras.optimizers.Adam(0.01, clipnorm=0.5, use_ema=True),
        lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
        lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 20)),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
        lambda: keras.optimizers.Adam(0.01, amsgrad=True),
        lambda: keras.optimizers.SGD(0.01),
        lambda: _MyAdam(0.01),
    ],
)
def test_the_steps_are_those_of_keras(make):
    fused = _trained(make, fused_adam)
    expected = _trained(make, lambda _: contextlib.nullcontext())
    # Keras rounds the powers of its betas to float32, also for float64 weights.
    np.testing.assert_allclose(fused, expected, rtol=5e-5, atol=5e-5)
    optimizer = make()
    with fused_adam(optimizer):
        pass
    assert "update_step" not in vars(optimizer)


def test_adam_is_one_operation():
    optimizer = keras.optimizers.Adam()
    weight = keras.Variable(np.ones(3))
    optimizer.build([weight])

    @tf.function
    def step():
        with fused_adam(optimizer):
            optimizer.apply_gradients([(tf.ones(3), weight)])

    types = [op.type for op in step.get_concrete_function().graph.get_operations()]
    assert types.count("ResourceApplyAdam") == 1
