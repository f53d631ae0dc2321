"""GatedAttentionNet: what its pixels see, its start, its contexts."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfflows.networks import GatedAttentionNet


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def attention_of_one_head(query, key, value):
    scores = query @ key.T / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ value


def test_the_attention_is_that_of_each_head():
    net = GatedAttentionNet(6, 1, num_heads=2)
    net.build((None, 2, 3, 1))
    projected = images(1, 2, 3, 18)
    got = np.reshape(net._attention(projected), (6, 6))
    parts = projected.reshape(6, 3, 2, 3)
    for head in range(2):
        wanted = attention_of_one_head(*np.moveaxis(parts[:, :, head], 1, 0))
        np.testing.assert_allclose(got[:, 3 * head : 3 * head + 3], wanted, atol=1e-5)


def test_every_pixel_sees_every_pixel_of_its_image():
    net, x = GatedAttentionNet(4, 1, num_heads=2), images(2, 3, 8, 1)
    moved = x.copy()
    moved[0, 0, 0] += 1.0
    change = np.abs(net(moved) - net(x)).max(axis=-1)
    assert np.all(change[0] > 1e-7)
    np.testing.assert_array_equal(change[1], 0.0)
    assert net(x).shape == net.compute_output_shape(x.shape) == (2, 3, 8, 4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_contexts_and_files(dtype, tmp_path):
    net = GatedAttentionNet(4, 2, num_heads=2, context_dim=2, dtype=dtype)
    x, context = images(2, 4, 2, 1), images(2, 4, 4, 2)
    inputs = [keras.Input((4, 2, 1)), keras.Input((4, 4, 2))]
    model = keras.Model(inputs, net(inputs[0], context=inputs[1]))
    got = model([x, context])
    assert np.any(got != model([x, context + 1.0]))
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")([x, context])
    np.testing.assert_array_equal(again, got)


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="num_heads that divides width=6, got 4"):
        GatedAttentionNet(6)
