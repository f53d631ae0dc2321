"""Autoregressive flows by causal transformers: what depends on what, and orders."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.bijectors.causal_transformer import CausalTransformer


def step(length=5, channels=2, **kwargs):
    """A built step of small size, away from its start."""
    made = fb.TransformerAutoregressive(2, 8, 2, expansion=2, dtype="float64", **kwargs)
    made.build((None, length, channels))
    randomize(made)
    return made


def data(length=5, channels=2):
    return np.random.default_rng(0).standard_normal((3, length, channels))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_token_has_parameters_of_those_before_it(reverse):
    flow, x = step(reverse=reverse), tf.constant(data())
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = flow.inverse(x)
    jacobian = np.abs(tape.batch_jacobian(z, x)).sum(axis=(0, 2, 4))
    reached = np.flip(jacobian) if reverse else jacobian
    assert np.all(reached[~np.tri(5, dtype=bool)] == 0)
    assert np.all(reached[np.tri(5, dtype=bool)] > 0)


def test_a_network_that_was_never_trained_is_the_identity():
    flow = fb.TransformerAutoregressive(1, 8, 2)
    x = data().astype("float32")
    z, log_det = flow.inverse_and_log_det(x)
    np.testing.assert_array_equal(z, x)
    np.testing.assert_array_equal(log_det, np.zeros(3))


def test_token_by_token_is_the_pass_over_all():
    network = CausalTransformer(2, 8, 2, num_params=3, context_dim=4)
    network.build((None, 5, 2))
    randomize(network)
    x = data().astype("float32")
    context = np.float32(np.random.default_rng(1).standard_normal((3, 4)))
    wanted = network(x, context=tf.constant(context))
    steps = network.steps(tf.constant(context))
    state = steps.initial_state(tf.constant(3))
    for t in range(5):
        known = np.where(
            np.arange(5)[:, np.newaxis, np.newaxis] < t, np.swapaxes(x, 0, 1), np.nan
        )
        got, state = steps.advance(tf.constant(t), tf.constant(known), state)
        np.testing.assert_allclose(got, wanted[:, t], atol=1e-5)


def test_contexts_reach_every_token():
    flow = step(context_dim=4)
    x, rng = data(), np.random.default_rng(1)
    contexts = rng.standard_normal((2, 3, 4))
    first, second = (flow.inverse(x, context=tf.constant(c)) for c in contexts)
    assert np.all(np.any(first != second, axis=(0, 2)))
    back = flow.forward(tf.identity(first), context=tf.constant(contexts[0]))
    np.testing.assert_allclose(back, x, atol=1e-9)


def test_a_step_attends_from_one_position_alone():
    flow = step(length=7)
    steps = flow.network.steps()
    state = steps.initial_state(tf.constant(3))
    graph = tf.function(steps.advance).get_concrete_function(
        tf.constant(2), tf.zeros([7, 3, 2], tf.float64), state
    )
    weights = [
        operation.outputs[0].shape
        for operation in graph.graph.get_operations()
        if operation.type == "Softmax"
    ]
    assert weights == [(3, 2, 1, 7)] * 2  # [B, heads, 1, T] in each block


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fb.TransformerAutoregressive(1, 8, 3), r"num_heads .*width=8, got 3"),
        (lambda: fb.TransformerAutoregressive(0, 8, 2), "num_layers"),
        (lambda: fb.TransformerAutoregressive(1, 8, 2, event_ndims=1), "event_ndims"),
        (lambda: CausalTransformer(1, 8, 2).build((None, 3, 1)), "num_params"),
        (lambda: step(context_dim=4).inverse(data()), r"\(None, 4\), got None"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
