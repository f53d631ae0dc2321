"""Draws for many contexts at once: `[contexts, draws, *event]`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


class Counted(keras.layers.Dense):
    """Embeds contexts, and notes how many it is given at once."""

    rows: list[int]

    def call(self, inputs):
        if not isinstance(inputs, keras.KerasTensor) and inputs.shape[0] is not None:
            self.rows.append(inputs.shape[0])
        return super().call(inputs)


@pytest.fixture(scope="module")
def flow():
    network = Counted(2)
    network.rows = []
    step = fb.AffineCoupling(networks.MLP((4,), context_dim=2))
    chain = fb.Chain([step, fb.Permute(), fb.Scale()])
    flow = tfflows.Flow(chain, (2,), context_shape=(3,), context_network=network)
    randomize(flow, size=1.0)
    return flow


@pytest.fixture(scope="module")
def contexts():
    return np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


def test_each_observation_has_draws_from_its_own_posterior(flow, contexts):
    x, log_prob = flow.sample_and_log_prob(4, seed=1, context=contexts[:, None])
    assert (x.shape, log_prob.shape) == ((5, 4, 2), (5, 4))
    np.testing.assert_allclose(log_prob, flow.log_prob(x, contexts[:, None]), rtol=1e-4)
    # The mean of each, by many draws.
    draws = flow.sample(4000, seed=2, context=contexts[:, None]).numpy()
    for context, of_one in zip(contexts, draws, strict=True):
        alone = flow.sample(4000, seed=3, context=context).numpy()
        error = 6 * np.sqrt((of_one.var(axis=0) + alone.var(axis=0)) / 4000)
        assert np.all(np.abs(of_one.mean(axis=0) - alone.mean(axis=0)) < error)


def test_a_draw_depends_on_its_numbers_alone_and_on_no_other(flow, contexts):
    draws = flow.sample(6, seed=1, context=contexts[:, None])
    fewer = flow.sample(3, seed=1, context=contexts[:2, None])
    np.testing.assert_allclose(fewer, draws[:2, :3], rtol=1e-5)
    same = flow.sample(6, seed=1, context=np.repeat(contexts[:1, None], 2, axis=0))
    z = flow.encode(tf.reshape(same, (12, 2)), contexts[0])
    assert len(np.unique(np.round(z, 4), axis=0)) == 12  # also between observations


def test_one_context_for_each_draw_and_more_axes(flow, contexts):
    each = np.repeat(contexts[:, None], 4, axis=1)
    wanted = flow.sample(4, seed=1, context=contexts[:, None])
    np.testing.assert_allclose(flow.sample(4, seed=1, context=each), wanted, rtol=1e-5)
    two = flow.sample(3, seed=1, context=contexts[:4].reshape(2, 2, 1, 3))
    assert two.shape == (2, 2, 3, 2)
    assert flow.sample(0, seed=1, context=contexts[:, None]).shape == (5, 0, 2)


def test_temperatures_and_graphs(flow, contexts):
    def draws(context, temperature=1.0):
        return flow.sample(4, seed=1, temperature=temperature, context=context)

    cold = draws(contexts[:, None], 0.0)
    np.testing.assert_allclose(cold, np.repeat(cold[:, :1], 4, axis=1), rtol=1e-5)
    rows = draws(contexts[:, None], [0.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(rows[:, ::3], cold[:, ::3], rtol=1e-5)
    spec = tf.TensorSpec([None, 1, 3], tf.float32)
    in_graph = tf.function(draws, input_signature=[spec])
    np.testing.assert_allclose(
        in_graph(contexts[:, None]), draws(contexts[:, None]), rtol=1e-5
    )


def test_each_context_is_embedded_once(flow, contexts):
    flow.conditioning.network.rows.clear()
    flow.sample(100, seed=1, context=contexts[:, None])
    assert flow.conditioning.network.rows == [5]


def test_class_labels():
    flow = tfflows.Flow(fb.ClassAffine(3), (2,), context_shape=())
    randomize(flow, size=1.0)
    draws = flow.sample(2, seed=1, temperature=0.0, context=[[0], [2]])
    np.testing.assert_allclose(draws[:, 0], flow.sample(2, 1, 0.0, [0, 2]), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 2, 3), r"or \(5, 4, 3\) for each, got \(5, 2, 3\)"),
        ((5, 1, 2), r"expected a context of shape \(3,\) .* got \(5, 1, 2\)"),
    ],
)
def test_other_shapes_are_named(flow, shape, message):
    with pytest.raises(ValueError, match=message):
        flow.sample(4, context=np.ones(shape))
    with pytest.raises(ValueError, match="made without context_shape"):
        tfflows.Flow(fb.Scale(), (2,)).sample(4, context=np.ones(shape))
