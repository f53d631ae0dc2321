"""Convolutions whose gradients are products, beside TensorFlow's own."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows.backend import convolution
from tfflows.backend.convolution import convolve
from tfflows.bijectors import AffineCoupling
from tfflows.models import glow, realnvp_multiscale
from tfflows.networks import ConvNet

KERNELS = {
    "to few channels": (3, 3, 20, 2),
    "to many": (3, 3, 2, 20),
    "equal channels": (3, 3, 4, 4),
    "1x1 to few": (1, 1, 6, 3),
    "1x1 to many": (1, 1, 3, 6),
    "a window of 5x3 to few": (5, 3, 16, 1),
    "a window of 1x3 to many": (1, 3, 4, 5),
}


def plain(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def example(shape, batch=3, dtype=tf.float64):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, 6, 7, shape[2]))
    return tf.constant(x, dtype), tf.constant(rng.standard_normal(shape), dtype)


def first_gradients(function, x, kernel):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        loss = tf.reduce_sum(tf.sin(function(x, kernel)))
    return tape.gradient(loss, [x, kernel])


def value_and_gradients(function, x, kernel):
    """The value, gradients, and gradients of a function of the gradients."""
    with tf.GradientTape() as outer:
        outer.watch([x, kernel])
        gradients = first_gradients(function, x, kernel)
        second = sum(tf.reduce_sum(gradient**2) for gradient in gradients)
    y = function(x, kernel)
    return y, *gradients, *outer.gradient(second, [x, kernel])


def operations(function, *args):
    """The types of operations in a function's graph and all functions within."""
    graph = function.get_concrete_function(*args).graph.as_graph_def()
    nodes = [*graph.node]
    nodes += [node for inner in graph.library.function for node in inner.node_def]
    return {node.op for node in nodes}


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", KERNELS)
def test_value_and_gradients_are_those_of_tensorflow(name, jit_compile):
    x, kernel = example(KERNELS[name])
    ours = tf.function(value_and_gradients, jit_compile=jit_compile)
    for one, other in zip(
        ours(convolve, x, kernel), value_and_gradients(plain, x, kernel), strict=True
    ):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision(name, dtype):
    x, kernel = example(KERNELS[name], dtype=dtype)
    exact = [tf.cast(value, tf.float64) for value in (x, kernel)]
    wanted = value_and_gradients(plain, *exact)[:3]
    got = value_and_gradients(convolve, x, kernel)[:3]
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == dtype
        error = tf.norm(tf.cast(one, tf.float64) - other) / tf.norm(other)
        assert error < (0.01 if dtype == tf.float16 else 0.1)


@pytest.mark.parametrize("name", KERNELS)
def test_sizes_unknown_at_the_trace_and_batches_without_rows(name):
    signature = tf.TensorSpec([None, None, None, KERNELS[name][2]], tf.float64)
    kernel = example(KERNELS[name])[1]

    @tf.function(input_signature=[signature])
    def gradients(x):
        return value_and_gradients(convolve, x, kernel)[:3]

    for batch in (0, 2):
        x, _ = example(KERNELS[name], batch)
        y, dx, of_kernel = gradients(x)
        assert (y.shape[0], dx.shape, of_kernel.shape) == (batch, x.shape, kernel.shape)


@pytest.mark.parametrize("name", KERNELS)
def test_a_batch_without_rows_outside_of_a_graph(name):
    x, kernel = example(KERNELS[name], batch=0, dtype=tf.float32)
    dx, of_kernel = first_gradients(convolve, x, kernel)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(of_kernel, np.zeros(kernel.shape))


def test_windows_of_even_size_are_refused():
    with pytest.raises(ValueError, match="odd sizes, got 3 x 2"):
        convolve(tf.zeros((1, 4, 4, 9)), tf.zeros((3, 2, 9, 1)))


@pytest.mark.parametrize("head", ["auto", "glow", "weight_norm", "pointwise"])
def test_a_wide_coupling_has_the_gradients_of_plain_convolutions(head, monkeypatch):
    coupling = AffineCoupling(ConvNet(40), mask="channel", head=head)
    coupling.build((None, 6, 6, 2))
    randomize(coupling)
    x = tf.constant(np.random.default_rng(1).standard_normal((3, 6, 6, 2)), "float32")

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            z, log_det = coupling.inverse_and_log_det(x)
            loss = tf.reduce_sum(z**2) - tf.reduce_sum(log_det)
        weights = [weight.value for weight in coupling.trainable_weights]
        return tape.gradient(loss, weights)

    by_products = gradients(x)
    monkeypatch.setattr(convolution, "_on_cpus", lambda: False)
    plain_ones = tf.function(gradients.python_function)(x)
    for one, other in zip(by_products, plain_ones, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", KERNELS)
def test_products_are_used_where_they_win(name, jit_compile, monkeypatch):
    x, kernel = example(KERNELS[name], dtype=tf.float32)

    def kinds():
        function = tf.function(first_gradients, jit_compile=jit_compile)
        return operations(function, convolve, x, kernel)

    wins = jit_compile or "few" in name
    assert ("Conv2DBackpropFilter" not in kinds()) == wins
    monkeypatch.setattr(convolution, "_on_cpus", lambda: False)
    assert "Conv2DBackpropFilter" in kinds()


@pytest.mark.parametrize(
    "flow",
    [
        lambda: glow((8, 8, 1), num_levels=2, num_steps=1, width=4),
        lambda: realnvp_multiscale((8, 8, 1), num_levels=1, width=4, num_blocks=1),
    ],
    ids=["glow", "realnvp"],
)
def test_no_image_flow_is_trained_by_slow_gradients_under_xla(flow):
    model, x = flow(), tf.random.normal((2, 8, 8, 1))
    model.initialize(x)

    @tf.function(jit_compile=True)
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(x))
        return tape.gradient(loss, [weight.value for weight in model.trainable_weights])

    found = operations(gradients, x)
    assert "Conv2D" in found
    assert "Conv2DBackpropFilter" not in found
