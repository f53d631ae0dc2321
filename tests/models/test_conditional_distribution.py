"""`flow.conditional(context)`: a plain TFP distribution."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import distributions, networks


@pytest.fixture(scope="module")
def flow():
    step = fb.AffineCoupling(networks.MLP((4,), context_dim=2))
    base = distributions.ConditionalNormal(2, 2)
    network = networks.MLP((2,))
    flow = tfflows.Flow(step, (2,), base, context_shape=(3,), context_network=network)
    randomize(flow)
    return flow


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 2)).astype("f"), rng.normal(size=(5, 3)).astype("f")


def test_one_context(flow, rows):
    x, contexts = rows
    density = flow.conditional(contexts[0])
    assert (density.event_shape, density.batch_shape) == ((2,), ())
    wanted = flow.log_prob(x, np.repeat(contexts[:1], 5, axis=0))
    np.testing.assert_allclose(density.log_prob(x), wanted, rtol=1e-5)
    np.testing.assert_allclose(density.prob(x[0]), np.exp(wanted[0]), rtol=1e-5)
    assert density.sample([2, 3], seed=1).shape == (2, 3, 2)
    for container in (density, tfd.Independent(density, 0)):
        assert len(container.trainable_variables) == len(flow.trainable_weights)


def test_a_batch_of_contexts_is_the_batch_shape(flow, rows):
    x, contexts = rows
    density = flow.conditional(contexts)
    assert (density.event_shape, density.batch_shape) == ((2,), (5,))
    wanted = flow.log_prob(x, contexts)
    np.testing.assert_allclose(density.log_prob(x), wanted, rtol=1e-5)
    each = [flow.conditional(context).log_prob(x[0]) for context in contexts]
    np.testing.assert_allclose(density.log_prob(x[0]), each, rtol=1e-5)
    samples, log_prob = density.experimental_sample_and_log_prob(4, seed=2)
    assert samples.shape == (4, 5, 2)
    np.testing.assert_allclose(density.log_prob(samples), log_prob, rtol=1e-4)
    two = flow.conditional(contexts[:4].reshape(2, 2, 3))
    assert two.batch_shape == (2, 2)
    assert two.sample(3, seed=1).shape == (3, 2, 2, 2)
    joint = tfd.Independent(density, 1)
    np.testing.assert_allclose(joint.log_prob(x), np.sum(wanted), rtol=1e-5)


def test_in_graphs_containers_and_copies(flow, rows):
    x, contexts = rows
    density = flow.conditional(contexts[0])
    wanted = density.log_prob(x)

    @tf.function(input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([None, 3])])
    def in_graph(x, contexts):
        return flow.conditional(contexts).log_prob(x), density.log_prob(x)

    of_rows, of_one = in_graph(x, contexts)
    np.testing.assert_allclose(of_rows, flow.log_prob(x, contexts), rtol=1e-5)
    np.testing.assert_allclose(of_one, wanted, rtol=1e-5)
    pair = tfd.JointDistributionSequential([density, density])
    np.testing.assert_allclose(pair.log_prob([x, x]), 2.0 * wanted, rtol=1e-5)
    mixture = tfd.Mixture(tfd.Categorical([0.0, 0.0]), [density, density])
    np.testing.assert_allclose(mixture.log_prob(x), wanted, rtol=1e-5)
    twin = copy.deepcopy(density)
    np.testing.assert_allclose(twin.log_prob(x), wanted, rtol=1e-5)
    assert twin.trainable_variables[0] is not density.trainable_variables[0]


def test_gradients_reach_the_context_and_the_weights(flow, rows):
    x, contexts = rows
    context = tf.Variable(contexts[0])
    density = flow.conditional(context)
    variables = density.trainable_variables
    assert len(variables) == len(flow.trainable_weights) + 1
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(density.log_prob(x))
    for gradient in tape.gradient(loss, variables):
        assert gradient is not None


def test_what_is_no_context_is_named(flow):
    for bad in (np.ones(2), np.ones((4, 2)), np.float32(1.0), np.full(3, np.nan)):
        with pytest.raises(ValueError, match=r"expected a (finite )?context"):
            flow.conditional(bad)
    with pytest.raises(ValueError, match=r"use flow\.distribution"):
        tfflows.Flow(fb.Scale(), (2,)).conditional(np.ones(3))


def test_slices_are_those_of_the_contexts(flow, rows):
    x, contexts = rows
    contexts = np.stack([contexts[:3], contexts[2:]])
    density = flow.conditional(contexts)
    newaxis = tf.newaxis
    for slices in (
        0,
        (1, 2),
        slice(0, 1),
        (slice(None), -1),
        (Ellipsis, 0),
        (Ellipsis, newaxis),
        (newaxis, 1, Ellipsis, newaxis),
        Ellipsis,
        (slice(None), slice(None, None, 2)),
    ):
        wanted = np.empty((2, 3))[slices].shape
        part = density[slices]
        assert part.batch_shape == wanted, slices
        whole = density.log_prob(x[0]).numpy()[slices]
        np.testing.assert_allclose(part.log_prob(x[0]), whole, rtol=1e-5)
    for bad in (2, (0, 3), (0, 0, 0), ([0, 1],), "a", 1.5, (Ellipsis, Ellipsis)):
        with pytest.raises(ValueError, match=r"expected (slices|integers)"):
            density[bad]


def test_a_flow_without_batch_shape_has_nothing_to_slice():
    density = tfflows.Flow(fb.Scale(), (2,)).distribution
    assert density[...].batch_shape == ()
    for bad in (0, slice(0, 1), tf.newaxis):
        with pytest.raises(ValueError, match=r"batch shape \(\)"):
            density[bad]


def test_a_context_of_unknown_rank_is_named(flow):
    def in_graph(context):
        return flow.conditional(context).sample(1)

    with pytest.raises(ValueError, match=r"known number of axes.*ensure_shape"):
        tf.function(in_graph).get_concrete_function(tf.TensorSpec(None))


def test_the_distribution_of_a_flow_is_a_transformed_one():
    density = tfflows.Flow(fb.Scale(), (2,)).distribution
    for one in (density, copy.deepcopy(density), density.copy(name="twin")):
        assert isinstance(one, tfd.TransformedDistribution)
        assert not isinstance(one, tfd.Independent)
        assert tf.nest.flatten(one, expand_composites=True) == [one]
    assert not isinstance(tfd.Normal(0.0, 1.0), tfd.TransformedDistribution)
