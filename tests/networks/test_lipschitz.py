"""Networks whose Lipschitz constant is bounded: by SVDs of their operators."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.networks.lipschitz.operator_bounds import log_conv_bound, log_dense_bound

ORDERS = {"1": 1, "2": 2, "inf": np.inf}
SIDES = (5, 4)


def matrix_of(kernel):
    """The matrix [inputs, outputs] of x -> x K, or of a convolution of images."""
    if len(kernel.shape) == 2:
        return np.asarray(kernel)
    size = np.prod(SIDES) * kernel.shape[2]
    images = tf.reshape(tf.eye(size, dtype=kernel.dtype), (-1, *SIDES, kernel.shape[2]))
    return tf.nn.conv2d(images, kernel, 1, "SAME").numpy().reshape(size, -1)


def norm_of(kernel, norm):
    return np.linalg.norm(matrix_of(kernel).T, ord=ORDERS[norm])


def network(kind, **kwargs):
    if kind == "mlp":
        made = networks.LipschitzMLP((7, 9), lipschitz=0.8, **kwargs)
        made.build((None, 4))
    else:
        made = networks.LipschitzConvNet(3, lipschitz=0.8, **kwargs)
        made.build((None, *SIDES, 2))
    return made


@pytest.mark.parametrize("norm", ORDERS)
@pytest.mark.parametrize("kind", ["mlp", "conv"])
@pytest.mark.parametrize("size", [0.01, 5.0])
def test_each_layer_keeps_its_share_of_the_bound(kind, norm, size):
    made, share = network(kind, norm=norm), 0.8 ** (1 / 3)
    randomize(made, size)
    kernels = made.constrained()[:3]
    for kernel, raw in zip(kernels, made.kernels, strict=True):
        found = norm_of(kernel, norm)
        assert found <= share * (1 + 1e-5)
        if size < 1 and kind == "conv":  # far below: left as it is
            continue
        if norm_of(tf.convert_to_tensor(raw), norm) > share:
            # Scaled down no further than needed: at the borders of an image a
            # convolution is smaller than inside.
            assert found >= share * (0.98 if kind == "mlp" else 0.7)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_bound_holds_after_steps_of_training_that_pull_against_it(kind):
    made = network(kind)
    event = (4,) if kind == "mlp" else (*SIDES, 2)
    flow = tfflows.Flow(fb.Residual(made, "series", certain_terms=2), event)
    x = 1e-3 * np.random.default_rng(0).standard_normal((64, *event))
    flow.compile(keras.optimizers.Adam(0.3), run_eagerly=True)
    flow.fit(x.astype("float32"), batch_size=16, epochs=2, verbose=0)
    assert any(norm_of(tf.convert_to_tensor(k), "2") > 1.0 for k in made.kernels)
    share = 0.8 ** (1 / 3)
    norms = [norm_of(kernel, "2") for kernel in made.constrained()[:3]]
    assert max(norms) <= share * (1 + 1e-5)
    # What data that are all near 0 ask for: the largest stretch towards the latents.
    y = (x + made(x.astype("float32")) - made(0 * x.astype("float32"))).numpy()
    assert np.linalg.norm(y) > 1.02 * np.linalg.norm(x)


def test_bounds_are_above_and_near():
    rng = np.random.default_rng(0)
    for shape in [(1, 6), (40, 30), (30, 40)]:
        kernel = tf.constant(rng.standard_normal(shape))
        ratio = np.exp(log_dense_bound(kernel, "2")) / norm_of(kernel, "2")
        assert 1 - 1e-9 <= ratio <= 40 ** (1 / 256)
    worst = np.exp(log_dense_bound(tf.eye(40, dtype=tf.float64), "2"))
    assert worst == pytest.approx(40 ** (1 / 256))
    kernel = tf.constant(rng.standard_normal((3, 3, 2, 3)))
    ratio = np.exp(log_conv_bound(kernel, SIDES, "2")) / norm_of(kernel, "2")
    assert 1 <= ratio <= 1.3


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e15])
def test_norms_of_tiny_and_huge_kernels_have_gradients(scale):
    kernel = tf.constant(scale * np.eye(3), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        log_bound = log_dense_bound(kernel, "2")
        factor = tf.exp(tf.minimum(-log_bound, 0.0))
    gradient = tape.gradient(factor, kernel)
    assert np.isfinite(gradient).all()
    assert factor * scale <= 1.0 + 1e-5


def test_the_bound_does_not_hold_a_context_back():
    made = networks.LipschitzMLP((7,), context_dim=2)
    made.build((None, 3))
    randomize(made, 3.0)
    x = np.zeros((2, 3), "float32")
    near, far = made(x, tf.constant([[0.0, 0.0], [9.0, 9.0]]))
    assert np.abs(far - near).max() > 0.5
    with pytest.raises(ValueError, match=r"context of shape \(None, 2\), got None"):
        made(x)


def test_half_precision_does_not_break_the_bound():
    made = networks.LipschitzMLP((7,), dtype="mixed_bfloat16")
    y = made(np.ones((2, 3), "float32"))
    assert y.dtype == tf.float32
    assert all(value.dtype == tf.float32 for value in made.constrained())
