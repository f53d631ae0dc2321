"""Variational dequantization: the bound, its centre, its files."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.backend.initializer_seeds import seeded_initializers
from tfflows.distributions import StandardLogistic
from tfflows.fitting.batch import Batch
from tfflows.preprocessing import Dequantization, Logit, VariationalDequantization

LEVELS, SIZE = 4, 2


def noise_flow(**kwargs):
    coupling = fb.AffineCoupling(tfflows.networks.MLP((8,), context_dim=SIZE))
    parts = {
        "base": StandardLogistic(SIZE),
        "preprocessing": Logit(),
        "context_shape": SIZE,
    }
    return tfflows.Flow(fb.Chain([coupling]), (SIZE,), **{**parts, **kwargs})


def flow_of(start=False):
    with seeded_initializers(0):
        noise = VariationalDequantization(noise_flow(), LEVELS)
        coupling = fb.AffineCoupling(tfflows.networks.MLP((8,)))
        steps = fb.Chain([coupling, fb.Permute(), fb.Scale()])
        flow = tfflows.Flow(steps, (SIZE,), None, [noise, Logit(0.05, 0.0, LEVELS)])
    if not start:
        randomize(flow)
    return flow


@functools.cache
def shared():
    return flow_of()


def every_x():
    return np.indices((LEVELS,) * SIZE).reshape(SIZE, -1).T


def log_mass(flow, x, side=200):
    """ln P(x) by the midpoint rule over the cell of x."""
    grid = (np.indices((side,) * SIZE).reshape(SIZE, -1).T + 0.5) / side
    y = (x[:, np.newaxis] + grid).astype("float32")
    log_prob = flow.distribution.log_prob(y).numpy()
    return np.log(np.mean(np.exp(log_prob), axis=1))


def test_noise_starts_uniform():
    flow, x = flow_of(start=True), tf.constant(every_x(), tf.float32)
    index = tf.range(len(x), dtype=tf.int64)
    u, log_q = flow.dequantization.drawn_noise(x, index, 3, True)
    assert 0.1 < np.std(u) < 0.4
    np.testing.assert_allclose(log_q, 0.0, atol=1e-5)
    np.testing.assert_allclose(flow.dequantize(x) - x, 0.5)
    np.testing.assert_allclose(
        flow.log_prob(x), flow.distribution.log_prob(x + 0.5), rtol=1e-5
    )


def test_evaluation_is_a_bound_that_importance_samples_tighten():
    flow, x = shared(), np.tile(every_x(), (30, 1))
    wanted = np.mean(log_mass(flow, every_x()))
    assert np.mean(flow({"x": x}, training=True)) < wanted - 0.01
    flow.dequantization.evaluation_draws = 200
    run = tf.function(lambda: flow.per_example(Batch.of({"x": x}), training=False))
    bound = -np.mean(run()["loss"])
    flow.dequantization.evaluation_draws = 1
    assert abs(bound - wanted) < 0.02
    assert -np.mean(run()["loss"]) == bound  # keyed by the example


def test_log_prob_is_at_the_flows_centre():
    flow, x = shared(), every_x()
    context = 2.0 * (x + 0.5) / LEVELS - 1.0
    noise = flow.dequantization.flow
    z = np.zeros((len(x), SIZE), "float32")
    u = noise.decode(z, context)
    np.testing.assert_allclose(flow.dequantize(x), x + u, rtol=1e-6)
    wanted = flow.distribution.log_prob(x + u) - noise.log_prob(u, context)
    np.testing.assert_allclose(flow.log_prob(x), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(flow.log_prob(x), flow(x))
    leading = flow.log_prob(x.reshape(4, 4, SIZE))
    np.testing.assert_allclose(tf.reshape(leading, -1), flow.log_prob(x), rtol=1e-5)
    np.testing.assert_array_equal(flow.decode(flow.encode(x)), x)


def test_it_learns_what_noise_fits():
    flow = flow_of(start=True)
    x = np.random.default_rng(0).choice([0, 3], (256, SIZE))
    flow.compile(keras.optimizers.Adam(1e-2))
    before = [w.numpy() for w in flow.dequantization.flow.trainable_weights]
    loss = flow.fit(x, epochs=4, batch_size=64, verbose=0).history["loss"]
    after = [w.numpy() for w in flow.dequantization.flow.trainable_weights]
    assert loss[-1] < loss[0] - 0.1
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))
    assert set(map(id, flow.dequantization.flow.trainable_weights)) < set(
        map(id, flow.trainable_weights)
    )


def test_files(tmp_path):
    flow, x = shared(), every_x()
    flow.save(tmp_path / "flow.keras")
    again = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_array_equal(again.log_prob(x), flow.log_prob(x))
    fresh = flow_of(start=True)
    tf.train.Checkpoint(model=fresh).read(
        tf.train.Checkpoint(model=flow).write(str(tmp_path / "checkpoint"))
    ).assert_existing_objects_matched()
    np.testing.assert_array_equal(fresh.log_prob(x), flow.log_prob(x))


def test_a_noise_flow_is_initialised_with_the_model():
    steps = fb.Chain([fb.ActNorm(), fb.AffineCoupling(tfflows.networks.MLP((4,)))])
    noise = tfflows.Flow(
        fb.Chain([fb.AffineCoupling(tfflows.networks.MLP((4,), context_dim=2)), steps]),
        (2,),
        preprocessing=Logit(),
        context_shape=2,
    )
    flow = tfflows.Flow(fb.Scale(), (2,), None, VariationalDequantization(noise, 4))
    assert not flow.is_initialized
    flow.initialize(every_x())
    assert noise.is_initialized
    assert flow.is_initialized


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VariationalDequantization(fb.Scale()), "conditional tfflows.Flow"),
        (
            lambda: VariationalDequantization(tfflows.Flow(fb.Scale(), (2,))),
            "context_shape equal to its event_shape",
        ),
        (
            lambda: VariationalDequantization(
                noise_flow(base=None, preprocessing=[Dequantization(4), Logit(0.1)])
            ),
            "continuous noise",
        ),
        (lambda: VariationalDequantization(noise_flow(), 1), "levels >= 2"),
        (
            lambda: tfflows.Flow(
                fb.Scale(), (3,), None, VariationalDequantization(noise_flow(), 4)
            ),
            r"over events of shape \(3,\), got one over \(2,\)",
        ),
        (lambda: tfflows.models.FlowMixture([shared()]), "uniform Dequantization"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_samples_outside_of_the_cell_are_an_error():
    noise = VariationalDequantization(noise_flow(preprocessing=None), 4)
    x, index = tf.zeros([64, 2]), tf.range(64, dtype=tf.int64)
    with pytest.raises(ValueError, match=r"samples lie in \[0, 1\]"):
        noise.drawn_noise(x, index, 0, True)
