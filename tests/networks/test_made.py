"""MADE: who sees whom, and the pass input by input."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows import networks


def made(size, hidden=(7, 7), dtype="float64", **kwargs):
    network = networks.MADE(
        hidden, num_params=2, activation="tanh", dtype=dtype, **kwargs
    )
    network.build((None, size))
    randomize(network)
    return network


def dependence(network, size, **kwargs):
    """[num_params, D outputs, D inputs]: whether an output moves with an input."""
    x = tf.constant(np.random.default_rng(0).normal(size=(3, size)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs = tf.unstack(network(x, **kwargs), axis=1)
    zero = tf.UnconnectedGradients.ZERO
    rows = [tape.gradient(y, x, unconnected_gradients=zero) for y in outputs]
    moves = np.abs(np.stack(rows)).max(axis=1) > 0
    return moves.reshape(2, size, size)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
@pytest.mark.parametrize("kwargs", [{}, {"residual": True}, {"hidden": (40,)}])
def test_each_output_depends_on_all_inputs_before_it_and_no_other(size, kwargs):
    network = made(size, **{"hidden": (24, 24), **kwargs})
    wanted = np.tril(np.ones((size, size), bool), -1)
    np.testing.assert_array_equal(dependence(network, size), [wanted, wanted])


@pytest.mark.parametrize("hidden", [(3,), (2, 3), (24, 8, 16)])
def test_few_units_may_see_less_but_never_more(hidden):
    moves = dependence(made(6, hidden), 6)
    assert not np.triu(moves).any()


def test_every_output_depends_on_the_context():
    network = made(4, hidden=(12, 12), context_dim=3)
    context = tf.Variable(np.random.default_rng(1).normal(size=(3, 3)))
    x = np.random.default_rng(0).normal(size=(3, 4))
    with tf.GradientTape(persistent=True) as tape:
        outputs = tf.unstack(network(x, context=context), axis=1)
    for output in outputs:
        assert np.all(np.abs(tape.gradient(output, context)).max(axis=0) > 0)
    wanted = np.tril(np.ones((4, 4), bool), -1)
    np.testing.assert_array_equal(dependence(network, 4, context=context)[0], wanted)
    with pytest.raises(ValueError, match=r"shape \(None, 3\), got None"):
        network(x)


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize(
    "kwargs",
    [
        {"hidden": (5,)},
        {"hidden": (2, 3)},
        {"hidden": (31, 17, 9)},
        {"hidden": (12, 12, 12), "residual": True},
        {"hidden": (13, 13), "context_dim": 2},
    ],
)
def test_the_steps_give_what_the_full_pass_gives(size, kwargs):
    network = made(size, **kwargs)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(4, size)))
    context = tf.constant(rng.normal(size=(4, 2))) if network.context_dim else None
    full = tf.reshape(network(x, context=context), (4, 2, size))
    steps = network.steps(context)
    state = steps.initial_state(tf.constant(4))
    for i in range(size):
        known = tf.where(tf.range(size) < i, x, 0.0)  # later inputs are not known yet
        params, state = steps.advance(tf.constant(i), tf.transpose(known), state)
        np.testing.assert_allclose(params, full[:, :, i], rtol=1e-10, atol=1e-12)


def test_the_output_starts_at_zero_and_the_config_comes_back():
    network = networks.MADE((8, 8), num_params=3, residual=True, context_dim=2)
    network.build((None, 4))
    np.testing.assert_array_equal(network(np.ones((2, 4)), np.ones((2, 2))), 0.0)
    copy = networks.MADE.from_config(network.get_config())
    assert copy.get_config() == network.get_config()
    assert network.compute_output_shape((None, 4)) == (None, 12)
    assert isinstance(network, keras.layers.Layer)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: networks.MADE(()),
            "hidden_units as a sequence of one",
        ),
        (lambda: networks.MADE((3, 4), residual=True), "equal hidden_units"),
        (lambda: networks.MADE((3,)).build((None, 2)), "expected num_params"),
    ],
)
def test_what_is_no_network_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
