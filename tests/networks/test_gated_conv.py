"""GatedConv: the gate, both directions, files."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfflows.networks import GatedConv


def test_it_is_a_convolution_times_a_gate():
    layer = GatedConv(3, 3)
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 2)).astype("float32")
    got = layer(x)
    kernel, bias = layer.convolution.get_weights()
    parts = []
    for half in (slice(0, 3), slice(3, 6)):
        single = keras.layers.Conv2D(3, 3, padding="same")
        single.build(x.shape)
        single.set_weights([kernel[..., half], bias[half]])
        parts.append(np.asarray(single(x)))
    wanted = parts[0] / (1 + np.exp(-parts[1]))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(
    ("strides", "padding"), [(1, "same"), (2, "same"), (1, "valid")]
)
def test_shapes_and_files(strides, padding, transpose, tmp_path):
    layer = GatedConv(4, 3, strides, padding, transpose=transpose)
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    x = np.ones((2, 6, 6, 2), "float32")
    side = {
        "same": 6 * strides if transpose else 6 // strides,
        "valid": 8 if transpose else 4,
    }
    assert model(x).shape == (2, side[padding], side[padding], 4)
    assert layer.compute_output_shape(x.shape) == model(x).shape
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "model.keras")(x), model(x)
    )
