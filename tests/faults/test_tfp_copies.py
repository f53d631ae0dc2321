"""Distributions and steps are copied and pickled with weights of their own."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import distributions, networks

SEED = tf.constant([0, 1])  # TFP draws anew for the same int
WITH_OWN_WEIGHTS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value: pickle.loads(cloudpickle.dumps(value)),
}
SHARING = {"copy": copy.copy, "renamed": lambda value: value.copy(name="renamed")}


def coupling(**kwargs):
    step = fb.AffineCoupling(networks.MLP((4,), **kwargs))
    step.build((None, 2))
    randomize(step)
    return step


def conditional(base=None):
    step = coupling(context_dim=3) if base is None else coupling()
    return tfflows.Flow(step, (2,), base=base, context_shape=(3,)).distribution


def normal():
    return tfd.MultivariateNormalDiag(tf.Variable([0.5, 0.0]), [1.0, 2.0])


MADE = {
    "flow": lambda: tfflows.Flow(coupling(), (2,)).distribution,
    "flow_stock_base": lambda: tfflows.Flow(coupling(), (2,), normal()).distribution,
    "conditional": conditional,
    "conditional_base": lambda: conditional(distributions.ConditionalNormal(2, 3)),
    "mixture": lambda: distributions.GaussianMixture(2, 3),
    "columns": lambda: distributions.ColumnMixture(2, 3),
    "standard": lambda: distributions.StandardNormal(2),
    "stock": lambda: tfd.TransformedDistribution(normal(), coupling()),
    "stock_chain": lambda: tfd.TransformedDistribution(
        distributions.StandardNormal(2), tfb.Chain([tfb.Shift(1.0), coupling()])
    ),
    "independent": lambda: tfd.Independent(
        tfd.TransformedDistribution(normal(), coupling()), 0
    ),
}


def ids(value):
    return {id(variable) for variable in value.variables}


LONG = {"flow", "conditional", "stock_chain", "independent"}


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(name, marks=pytest.mark.large if name in LONG else ())
        for name in MADE
    ],
)
def test_copies_of_distributions(made):
    distribution = MADE[made]()
    x = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    rows = np.ones((3, 3), "float32")
    arguments = {"context": rows} if made.startswith("conditional") else {}
    wanted = distribution.log_prob(x, **arguments)
    sample = distribution.sample(3, seed=SEED, **arguments)
    for name, duplicate in {**WITH_OWN_WEIGHTS, **SHARING}.items():
        twin = duplicate(distribution)
        np.testing.assert_allclose(twin.log_prob(x, **arguments), wanted, rtol=1e-6)
        np.testing.assert_allclose(twin.sample(3, seed=SEED, **arguments), sample)
        assert len(twin.trainable_variables) == len(distribution.trainable_variables)
        held = tfd.Independent(twin, 0)
        assert len(held.trainable_variables) == len(twin.trainable_variables)
        shared = ids(twin) & ids(distribution)
        assert shared == (ids(distribution) if name in SHARING else set())
    twin = copy.deepcopy(distribution)
    for variable in twin.trainable_variables:
        variable.assign_add(tf.ones_like(variable))
    again = twin.copy(name="again").log_prob(x, **arguments)
    np.testing.assert_array_equal(again, twin.log_prob(x, **arguments))


@pytest.mark.parametrize("way", WITH_OWN_WEIGHTS)
def test_a_changed_copy_leaves_the_first_as_it_is(way):
    distribution = MADE["flow"]()
    x = np.ones((1, 2), "float32")
    before = distribution.log_prob(x)
    twin = WITH_OWN_WEIGHTS[way](distribution)
    for variable in twin.trainable_variables:
        variable.assign_add(tf.ones_like(variable))
    assert np.any(twin.log_prob(x) != before)
    np.testing.assert_array_equal(distribution.log_prob(x), before)


@pytest.mark.parametrize(
    ("make", "event"),
    [
        (lambda: fb.TFPStep(tfb.Scale(tf.Variable([1.0, 2.0]))), (2,)),
        (lambda: fb.Chain([fb.Squeeze(), fb.ActNorm()]), (2, 2, 1)),
        (lambda: fb.Repeated(fb.ActNorm(), 2), (2,)),
        (lambda: fb.Invert(fb.AffineCoupling(networks.MLP((4,)))), (2,)),
    ],
)
def test_copies_of_steps(make, event):
    step = make()
    step.build((None, *event))
    randomize(step)
    x = np.ones((3, *event), "float32")
    for duplicate in (*WITH_OWN_WEIGHTS.values(), lambda step: step.copy()):
        twin = duplicate(step)
        np.testing.assert_array_equal(twin.inverse(x), step.inverse(x))
        assert not ids(twin) & ids(step)


def test_a_copy_of_a_step_with_other_arguments_is_a_fresh_one():
    step = fb.Rescale(0.0, 2.0).copy(high=4.0)
    assert (step.low, step.high) == (0.0, 4.0)
