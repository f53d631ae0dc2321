"""Grids of samples in TensorBoard."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfflows import models
from tfflows.training import SampleGridCallback


def written_images(folder):
    """The images by (tag, step)."""
    found = {}
    for path in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                png = value.tensor.string_val[2]
                found[value.tag, event.step] = tf.io.decode_png(png).numpy()
    return found


def tiny_glow():
    flow = models.glow((4, 6, 1), num_steps=1, num_levels=1, width=4, levels=256)
    x = np.random.default_rng(0).integers(0, 256, (32, 4, 6, 1)).astype("uint8")
    flow.initialize(x)
    flow.compile(keras.optimizers.Adam(1e-3))
    return flow, x


def test_a_grid_for_each_temperature(tmp_path):
    flow, x = tiny_glow()
    callback = SampleGridCallback(
        tmp_path, temperatures=(0.0, 1.0), num_samples=5, every=2
    )
    flow.fit(x, epochs=4, verbose=0, callbacks=[callback])
    images = written_images(tmp_path)
    tags = ["samples/temperature_0", "samples/temperature_1"]
    assert sorted(images) == [(tag, step) for tag in tags for step in (1, 3)]
    grid = images["samples/temperature_1", 3]
    assert grid.shape == (2 * 4, 3 * 6, 1)
    last = np.floor(np.clip(flow.sample(5, seed=0), 0, 255))
    np.testing.assert_allclose(grid[:4, :6], last[0], atol=1)
    np.testing.assert_allclose(grid[4:, 6:12], last[4], atol=1)
    np.testing.assert_array_equal(grid[4:, 12:], 0)
    one = images["samples/temperature_0", 3]
    np.testing.assert_allclose(one[:4, :6], one[:4, 6:12], atol=1)


def test_what_it_refuses(tmp_path):
    for arguments, message in [
        ({"num_samples": 0}, "num_samples >= 1, an integer, got 0"),
        ({"every": 1.5}, "every >= 1, an integer, got 1.5"),
        ({"temperatures": (0.7, -1.0)}, r"temperatures >= 0, got \(0.7, -1.0\)"),
        ({"temperatures": ()}, "one or more finite temperatures"),
        ({"temperatures": 0.7}, "one or more finite temperatures"),
    ]:
        with pytest.raises(ValueError, match=message):
            SampleGridCallback(tmp_path, **arguments)
    flow = models.realnvp((2,), num_couplings=1, hidden_units=(4,))
    flow.initialize(np.eye(2, dtype="float32"))
    flow.compile()
    with pytest.raises(ValueError, match=r"model of images .* got .* events of shape"):
        flow.fit(np.eye(2), verbose=0, callbacks=[SampleGridCallback(tmp_path)])


def test_a_wrong_context_is_named_before_the_training(tmp_path):
    flow = models.glow(
        (2, 2, 1), num_steps=1, num_levels=1, width=2, levels=4, num_classes=3
    )
    labels = np.arange(8) % 3
    x = np.random.default_rng(0).integers(0, 4, (8, 2, 2, 1)).astype("uint8")
    data = {"x": x, "context": labels}
    flow.initialize(data)
    flow.compile()
    callback = SampleGridCallback(tmp_path, context=3)
    with pytest.raises(ValueError, match="expected labels from 0 to 2"):
        flow.fit(data, verbose=0, callbacks=[callback])
    assert flow.optimizer.iterations == 0
