"""Networks of sets: no order, any size, padding that is not seen."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb
from tfflows import networks

NETWORKS = {
    "deep_set": lambda **kw: networks.DeepSet((8,), (6, 5), "tanh", **kw),
    "deep_set_max": lambda **kw: networks.DeepSet((8,), (5,), pooling="max", **kw),
    "set_transformer": lambda **kw: networks.SetTransformer(4, 2, 2, num_seeds=1, **kw),
}
X = np.random.default_rng(0).normal(size=(3, 7, 2)).astype("float32")


@pytest.mark.parametrize("name", NETWORKS)
def test_sets_have_no_order_any_size_and_may_be_padded(name, tmp_path):
    layer = NETWORKS[name]()
    model = keras.Sequential([keras.Input((None, 2)), layer])
    y = model(X)
    assert y.shape == layer.compute_output_shape(X.shape) == (3, 5)
    np.testing.assert_allclose(layer(X[:, ::-1]), y, atol=1e-6)
    assert not np.allclose(layer(X[:, :4]), y)
    mask = np.arange(7) < 4
    padded = np.where(mask[:, None], X, 1e3).astype("float32")
    alike = layer(padded, mask=tf.constant([mask] * 3))
    np.testing.assert_allclose(alike, layer(X[:, :4]), atol=1e-5)
    # Each element twice is a larger set, though its mean is the same.
    assert not np.allclose(layer(np.repeat(X, 2, axis=1)), y, atol=1e-3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X), y)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_each_weight_also_in_mixed_precision(name):
    layer = NETWORKS[name](dtype="mixed_float16")
    with tf.GradientTape() as tape:
        y = layer(X)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
    assert y.dtype == tf.float16
    # A key's bias moves all logits of a row alike, which the softmax takes back.
    weights = [w for w in layer.trainable_weights if "key/bias" not in w.path]
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert gradient is not None, weight.path
        assert np.any(np.asarray(gradient) != 0), weight.path


def test_a_flow_takes_sets_of_several_sizes():
    steps = [
        fb.AffineCoupling(networks.MLP((16,), context_dim=6), reverse=reverse)
        for reverse in (False, True)
    ]
    flow = tfflows.Flow(
        fb.Chain(steps),
        (2,),
        context_shape=(None, 2),
        context_network=networks.DeepSet((8,), (6,)),
    )
    theta = np.zeros((4, 2), "float32")
    for size in (3, 5):
        assert flow.log_prob(theta, np.ones((4, size, 2), "float32")).shape == (4,)
        assert flow.sample(6, seed=0, context=np.ones((size, 2), "float32")).shape == (
            6,
            2,
        )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: networks.DeepSet(pooling="sum"), "pooling 'mean' or 'max'"),
        (lambda: networks.DeepSet(units=()), "units as a sequence"),
        (lambda: networks.SetTransformer(6, 4), "num_heads that divides width=6"),
        (lambda: networks.SetTransformer(num_seeds=0), "num_seeds >= 1"),
        (lambda: networks.DeepSet()(X[0]), "expected sets of shape"),
        (lambda: networks.SetTransformer()(X[0]), "expected sets of shape"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
