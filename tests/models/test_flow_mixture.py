"""A mixture of flows is the weighted sum of their densities, in every form."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb
from tfflows.models import FlowMixture
from tfflows.models.calls.compiled_calls import calls_of
from tfflows.preprocessing import Dequantization

WEIGHTS = (0.7, 0.3)
MEANS, SCALES = ([-4.0, 1.0], [5.0, 0.0]), ([1.0, 2.0], [0.5, 0.5])


def normal(mean, scale):
    """A flow that is N(mean, scale^2)."""
    flow = tfflows.Flow(fb.Standardize(dtype="float64"), (2,))
    flow.bijector.shift.assign(mean)
    flow.bijector.log_scale.assign(np.log(scale))
    flow.bijector.initialized.assign(True)
    return flow


@pytest.fixture(scope="module")
def mixture():
    return FlowMixture([normal(*p) for p in zip(MEANS, SCALES, strict=True)], WEIGHTS)


def truth(x):
    each = [
        scipy.stats.norm.logpdf(x, mean, scale).sum(axis=-1)
        for mean, scale in zip(MEANS, SCALES, strict=True)
    ]
    return scipy.special.logsumexp(each, b=np.array(WEIGHTS)[:, None], axis=0)


def test_log_densities_are_those_of_the_sum(mixture):
    x = np.random.default_rng(0).normal(size=(6, 2)) * 4
    np.testing.assert_allclose(mixture.log_prob(x), truth(x))
    np.testing.assert_allclose(mixture(x), truth(x))
    np.testing.assert_allclose(mixture.distribution.log_prob(x), truth(x))
    np.testing.assert_allclose(mixture.mixture_weights, WEIGHTS)
    shaped = mixture.log_prob(x.reshape(2, 3, 2))
    np.testing.assert_allclose(shaped, truth(x).reshape(2, 3))


def test_draws_come_from_each_flow_by_its_weight(mixture):
    x, log_prob = (value.numpy() for value in mixture.sample_and_log_prob(4000, 1))
    np.testing.assert_allclose(log_prob, truth(x))
    from_first = x[:, 0] < 2.5
    assert np.mean(from_first) == pytest.approx(WEIGHTS[0], abs=0.03)
    cdf = scipy.stats.norm(MEANS[0][1], SCALES[0][1]).cdf
    assert scipy.stats.kstest(x[from_first, 1], cdf).pvalue > 1e-3
    np.testing.assert_allclose(mixture.sample(3, 1), x[:3])
    cold = mixture.sample(50, 1, temperature=0.0).numpy()
    assert {tuple(row) for row in cold} == {tuple(m) for m in MEANS}


def test_a_saved_mixture_is_the_same(mixture, tmp_path):
    mixture.save(tmp_path / "mixture.keras")
    loaded = keras.models.load_model(tmp_path / "mixture.keras")
    x = mixture.sample(5, seed=0)
    np.testing.assert_array_equal(loaded.log_prob(x), mixture.log_prob(x))
    np.testing.assert_array_equal(loaded.sample(5, seed=0), x)


def test_fit_trains_flows_and_weights():
    mixture = FlowMixture([tfflows.Flow(fb.Scale(), (2,)) for _ in range(2)])
    assert mixture.is_initialized
    x = np.random.default_rng(0).normal(size=(64, 2)) * [0.1, 3.0]
    before = [weight.numpy() for weight in mixture.trainable_weights]
    mixture.flows[0].bijector.log_scale.assign([0.5, 0.5])  # equal ones stay equal
    mixture.compile(keras.optimizers.Adam(0.05))
    losses = mixture.fit(x, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    after = [weight.numpy() for weight in mixture.trainable_weights]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))


def test_integers_have_one_noise_for_all_flows():
    def flow():
        return tfflows.Flow(fb.Scale(), (2,), preprocessing=[Dequantization(4)])

    mixture = FlowMixture([flow(), flow()])
    mixture.flows[1].bijector.log_scale.assign([1.0, 1.0])
    x = np.array([[0, 3], [2, 1]], "uint8")
    y = mixture.dequantize(x)
    each = [flow.distribution.log_prob(y) for flow in mixture.flows]
    wanted = scipy.special.logsumexp(each, axis=0) - np.log(2)
    np.testing.assert_allclose(mixture.log_prob(x), wanted, rtol=1e-6)
    bits = mixture.bits_per_dim(x)
    np.testing.assert_allclose(bits, -wanted / (2 * np.log(2)), rtol=1e-6)
    mixture.compile()
    assert set(mixture.evaluate(x, verbose=0, return_dict=True)) == {
        "loss",
        "bits_per_dim",
    }


def test_what_does_not_fit_is_named(mixture):
    for flows, message in (
        ([], "one or more flows"),
        ([tfflows.Flow(fb.Scale(), (n,)) for n in (2, 3)], "of one event shape"),
        ([fb.Scale()], "expected tfflows.Flows"),
        (
            [tfflows.Flow(fb.TriangularSylvester(), (2,))],
            "with an inverse and without a context",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            FlowMixture(flows)
    for weights in ([1.0], [1.0, 0.0], [1.0, np.nan]):
        with pytest.raises(ValueError, match="expected 2 finite weights above 0"):
            FlowMixture(mixture.flows, weights)
    with pytest.raises(ValueError, match="no context"):
        mixture({"x": tf.zeros((1, 2), tf.float64), "context": tf.zeros((1, 1))})
    for refuses in (
        lambda: mixture.log_prob(tf.zeros((1, 2), tf.float64), context=[1.0]),
        lambda: mixture.sample(2, seed=0, context=[1.0]),
    ):
        with pytest.raises(ValueError, match="no context"):
            refuses()


def test_plain_calls_are_compiled_and_the_same(mixture):
    x = np.random.default_rng(3).normal(size=(5, 2))
    for call in (mixture.log_prob, lambda x: mixture.sample(len(x), seed=1)):
        first, second, third = call(x), call(x), call(x[:3])
        np.testing.assert_allclose(second, first, rtol=1e-12)
        np.testing.assert_allclose(third, first[:3], rtol=1e-9)
    assert len(calls_of(mixture)) >= 2
