"""Half precision in the conditioners, single in the flow."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tfflows
from tfflows import zoo

HALVES = ("mixed_bfloat16", "mixed_float16")


def bits_per_dim(dtype, name, epochs, **small):
    keras.utils.set_random_seed(0)
    source = tfflows.data.load("digits")
    model = zoo.create(name, dtype=dtype, **small)
    model.initialize(source.arrays("train"))
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=50.0))
    steps = source.steps_per_epoch(64)
    model.fit(
        source.training_batches(64), steps_per_epoch=steps, epochs=epochs, verbose=0
    )
    logs = model.evaluate(source.dataset("test", 100), return_dict=True, verbose=0)
    print(name, dtype, logs["bits_per_dim"], "skipped:", model.skipped_steps.total)
    return logs["bits_per_dim"]


@pytest.mark.large
@pytest.mark.parametrize(
    ("name", "epochs", "small"),
    [
        ("realnvp_digits", 15, {}),
        ("glow_digits", 3, {"num_steps": 2, "width": 16}),
    ],
)
def test_half_precision_ends_where_single_precision_does(name, epochs, small):
    wanted = bits_per_dim("float32", name, epochs, **small)
    for dtype in HALVES:
        found = bits_per_dim(dtype, name, epochs, **small)
        assert found == pytest.approx(wanted, abs=0.02), dtype


@pytest.mark.large
@pytest.mark.parametrize("dtype", HALVES)
def test_nothing_overflows_at_64_by_64(dtype):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 8, 8, 3))
    x = np.kron(coarse, np.ones((1, 8, 8, 1))).astype("uint8")
    flow = tfflows.models.glow(
        (64, 64, 3), levels=256, num_steps=4, num_levels=3, width=32, dtype=dtype
    )
    flow.initialize(x)
    flow.compile(keras.optimizers.Adam(1e-4, global_clipnorm=50.0))
    losses = flow.fit(x, batch_size=4, epochs=4, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert flow.skipped_steps.total <= 2  # while the scale of the loss is found
    assert np.isfinite(flow.log_prob(x)).all()
    assert np.isfinite(flow.sample(2, seed=0)).all()
