"""Dense conditioners as Keras layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfflows import networks

NETWORKS = {
    "mlp": lambda **kw: networks.MLP((8, 5), activation="gelu", **kw),
    "resnet": lambda **kw: networks.ResNet(5, num_blocks=2, **kw),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_shape_config_file_and_precision(name, tmp_path):
    layer = NETWORKS[name]()
    model = keras.Sequential([keras.Input((3,)), layer])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    assert model(x).shape == (4, 5)
    assert layer.compute_output_shape((None, 3)) == (None, 5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "model.keras")(x), model(x)
    )
    half = NETWORKS[name](dtype="mixed_float16")
    assert half(x).dtype == "float16"
    assert {weight.dtype for weight in half.weights} == {"float32"}


def test_a_residual_network_starts_as_its_first_layer():
    network = networks.ResNet(6, num_blocks=3, activation="linear")
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    np.testing.assert_allclose(network(x), network.first(x), rtol=1e-6)
