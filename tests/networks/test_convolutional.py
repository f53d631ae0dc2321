"""Convolutional conditioners as Keras layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfflows import networks

NETWORKS = {
    "convnet": lambda **kw: networks.ConvNet(5, **kw),
    "conv_resnet": lambda **kw: networks.ConvResNet(5, num_blocks=2, **kw),
    "pointwise_input": lambda **kw: networks.ConvResNet(
        5, num_blocks=1, pointwise_input=True, **kw
    ),
}


def images(channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((4, 6, 7, channels)).astype("float32")


@pytest.mark.parametrize("name", NETWORKS)
def test_shape_config_file_and_precision(name, tmp_path):
    layer, x = NETWORKS[name](), images()
    model = keras.Sequential([keras.Input((6, 7, 3)), layer])
    assert model(x).shape == (4, 6, 7, 5)
    assert layer.compute_output_shape((None, 6, 7, 3)) == (None, 6, 7, 5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "model.keras")(x), model(x)
    )
    half = NETWORKS[name](dtype="mixed_float16")
    assert half(x).dtype == "float16"
    assert {weight.dtype for weight in half.weights} == {"float32"}


@pytest.mark.parametrize("name", NETWORKS)
def test_checkpoints_hold_every_weight(name, tmp_path):
    layer, other, x = NETWORKS[name](), NETWORKS[name](), images()
    layer(x), other(x)
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(layer=other).read(path).assert_existing_objects_matched()
    np.testing.assert_array_equal(other(x), layer(x))


def test_convnet_is_two_rectified_convolutions_that_keep_the_size_of_values():
    network, x = networks.ConvNet(64), images(channels=8)
    features = network(x).numpy()
    (first, _, _), (second, _, _) = network.layers
    hidden = tf.nn.relu(tf.nn.conv2d(x, first, 1, "SAME"))
    wanted = tf.nn.relu(tf.nn.conv2d(hidden, second, 1, "SAME"))
    np.testing.assert_allclose(features, wanted, atol=1e-5)
    assert 0.5 < np.mean(features[:, 1:-1, 1:-1] ** 2) < 2.0
    network.layers[1][1].assign(np.full(64, np.log(3.0)))  # the gain
    np.testing.assert_allclose(network(x), 3.0 * features, rtol=1e-4, atol=1e-5)


def test_convolutions_of_a_resnet_are_weight_normalised():
    network, x = networks.ConvResNet(6, num_blocks=1), images()
    features = network(x)
    for inner, outer in network.blocks:  # a block starts as the identity
        np.testing.assert_array_equal(outer[1], 0.0)
        outer[1].assign(np.ones(6))
        before = network(x)
        for weights in (network.first, inner, outer):
            weights[0].assign(7.0 * weights[0].numpy())  # the direction's length
        np.testing.assert_allclose(network(x), before, rtol=1e-3, atol=1e-4)
        assert np.abs(before - features).max() > 0.1


@pytest.mark.parametrize(
    "build", [lambda: networks.ConvNet(0), lambda: networks.ConvResNet(3, 0)]
)
def test_sizes_are_positive(build):
    with pytest.raises(ValueError, match=">= 1, an integer, got 0"):
        build()
