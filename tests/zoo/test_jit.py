"""XLA compiles the training step of every family, to the same losses."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tfflows
from tests.small_twin import small_twin
from tfflows import zoo
from tfflows.data.density_sets import DENSITY_SETS

NAMES = sorted(
    {
        zoo.describe(name).family: name
        for name in zoo.list_models()
        if zoo.get_config(name).data.name not in DENSITY_SETS  # files
        and zoo.get_config(name).data.event_shape is not None
        and np.prod(zoo.get_config(name).data.event_shape) <= 64
    }.values()
)


def losses(name, jit_compile):
    keras.utils.set_random_seed(0)
    config = zoo.get_config(name)
    model = small_twin(name)
    source = tfflows.data.load(
        config.data.name, label_as_context=config.data.label_as_context
    )
    (batch,) = source.training_batches(16).take(1)
    model.initialize(batch)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=jit_compile)
    data = source.training_batches(16).take(3)
    return model.fit(data, epochs=2, verbose=0).history["loss"]


def test_every_family_is_here():
    families = {zoo.describe(name).family for name in zoo.list_models()}
    assert families - {zoo.describe(name).family for name in NAMES} <= {
        "auto",
        "glow_dense",
    }


@pytest.mark.large
@pytest.mark.parametrize("name", NAMES)
def test_a_family_trains_under_xla(name):
    np.testing.assert_allclose(losses(name, True), losses(name, False), rtol=1e-4)
