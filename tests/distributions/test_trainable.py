"""Bases with parameters: a mixture, and a normal that depends on a context."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.distributions import (
    Base,
    ColumnMixture,
    ConditionalNormal,
    GaussianMixture,
)

SEEDS = tf.constant([[1, 2], [3, 4], [-5, 6]])


def mixture(dtype="float64"):
    made = GaussianMixture((2, 1), 3, dtype=dtype)
    made.log_scales.assign([[0.1, -1.0], [0.5, 0.0], [-0.3, 0.2]])
    made.logits.assign([0.0, 1.0, -1.0])
    return made


def test_the_mixtures_density_is_scipys_and_its_draws_follow_it():
    made = mixture()
    weights = scipy.special.softmax(made.logits)
    normals = [
        scipy.stats.multivariate_normal(m, np.diag(np.exp(2.0 * s)))
        for m, s in zip(made.means.numpy(), made.log_scales.numpy(), strict=True)
    ]
    z = np.random.default_rng(0).normal(size=(4, 3, 2))
    wanted = sum(w * n.pdf(z) for w, n in zip(weights, normals, strict=True))
    np.testing.assert_allclose(made.log_prob(z[..., np.newaxis]), np.log(wanted))
    draws = made.sample(5000, seed=3).numpy()[:, :, 0]
    mean = weights @ made.means.numpy()
    np.testing.assert_allclose(tf.reshape(made.mean(), [2]), mean)
    for axis in range(2):
        marginals = [
            scipy.stats.norm(n.mean[axis], n.cov[axis, axis] ** 0.5) for n in normals
        ]
        u = sum(
            w * m.cdf(draws[:, axis]) for w, m in zip(weights, marginals, strict=True)
        )
        assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3


def test_full_covariances_are_scipys_in_density_and_draws():
    made = GaussianMixture(2, 2, dtype="float64", covariance="full")
    made.log_scales.assign([[0.1, -1.0], [0.5, 0.0]])
    made.lower.assign([[[9.0, 9.0], [0.8, 9.0]], [[0.0, 0.0], [-2.0, 0.0]]])
    made.logits.assign([0.0, 1.0])
    covariances = []
    for k in range(2):
        mixing = np.eye(2) + np.tril(made.lower[k].numpy(), -1)
        whitening = np.diag(np.exp(-made.log_scales[k])) @ mixing
        covariances.append(np.linalg.inv(whitening.T @ whitening))
    weights, means = scipy.special.softmax(made.logits), made.means.numpy()
    normals = [
        scipy.stats.multivariate_normal(m, c)
        for m, c in zip(means, covariances, strict=True)
    ]
    z = np.random.default_rng(0).normal(size=(5, 2))
    wanted = sum(w * n.pdf(z) for w, n in zip(weights, normals, strict=True))
    np.testing.assert_allclose(made.log_prob(z), np.log(wanted))
    draws = made.sample(20_000, seed=3).numpy()
    mean, pairs = weights @ means, zip(means, covariances, strict=True)
    spread = [c + np.outer(m - mean, m - mean) for m, c in pairs]
    wanted = np.einsum("k,kde->de", weights, spread)
    np.testing.assert_allclose(np.cov(draws.T), wanted, rtol=0.06, atol=0.06)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.06)


def test_a_mixtures_rows_and_temperature():
    base = Base(mixture())
    rows = base.sample_rows(SEEDS, tf.ones(3))
    one = base.sample_rows(SEEDS[1:2], tf.ones(1))
    np.testing.assert_allclose(one, rows[1:2], rtol=1e-12)
    cold = base.sample_rows(SEEDS, tf.zeros(3)).numpy()
    means = base.distribution.means.numpy()
    for row in cold:
        assert np.isclose(row, means).all(axis=1).any()
    half = base.sample_rows(SEEDS, tf.fill([3], 0.5))
    np.testing.assert_allclose(half, 0.5 * (rows + cold), rtol=1e-12)


def conditional(dtype=None, network=True):
    if network:
        network = networks.MLP((5,), activation="tanh", dtype=dtype)
    return ConditionalNormal(2, 3, network or None, dtype=dtype)


def columns():
    made = ColumnMixture(2, 3)
    made.means.assign([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    return made


BASES = {
    "mixture": (lambda: GaussianMixture(2, 3), {}),
    "columns": (columns, {}),
    "full_mixture": (lambda: GaussianMixture(2, 3, covariance="full"), {}),
    "conditional": (conditional, {"context_shape": 3}),
    "conditional_linear": (lambda: conditional(network=False), {"context_shape": 3}),
}


@pytest.mark.parametrize("name", BASES)
def test_a_flow_trains_its_base_and_takes_it_along(name, tmp_path):
    make, arguments = BASES[name]
    flow = tfflows.Flow(fb.Scale(), (2,), base=make(), **arguments)
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(2, 64, 3)).astype("float32")
    data = {"x": x[:, :2], "context": c} if arguments else x[:, :2]
    context = (c,) if arguments else ()
    np.testing.assert_equal(flow.base.get_config(), flow.base.get_config())
    before = [weight.numpy() for weight in flow.base.trainable_weights]
    assert len(before) >= 3
    flow.compile(keras.optimizers.Adam(1e-2))
    losses = flow.fit(data, epochs=2, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for old, weight in zip(before, flow.base.trainable_weights, strict=True):
        assert np.any(old != weight.numpy())
    wanted = flow.log_prob(x[:, :2], *context)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(loaded.log_prob(x[:, :2], *context), wanted, rtol=1e-6)


def conditional_flow():
    chain = fb.Chain([fb.Scale(dtype="float64")], dtype="float64")
    flow = tfflows.Flow(chain, (2,), base=conditional("float64"), context_shape=3)
    randomize(flow)
    return flow


def test_a_conditional_flow_is_the_normal_of_its_network():
    flow = conditional_flow()
    context = np.random.default_rng(0).normal(size=(4, 3))
    features = flow.base.network(context)
    loc = flow.base.loc_head(features).numpy()
    scale = np.exp(flow.base.log_scale_head(features))
    widths = np.exp(flow.bijector.steps[0].log_scale)
    x = np.random.default_rng(1).normal(size=(4, 2))
    wanted = scipy.stats.norm.logpdf(x, widths * loc, widths * scale).sum(axis=1)
    np.testing.assert_allclose(flow.log_prob(x, context), wanted)
    pairs = flow.log_prob(x.reshape(2, 2, 2), context.reshape(2, 2, 3))
    np.testing.assert_allclose(tf.reshape(pairs, [-1]), wanted)
    cold = flow.sample(4, seed=1, temperature=0.0, context=context)
    np.testing.assert_allclose(cold, widths * loc)
    drawn, log_prob = flow.sample_and_log_prob(4, seed=1, context=context)
    np.testing.assert_allclose(flow.log_prob(drawn, context), log_prob)
    rows, _ = flow.sample_rows_and_log_prob(SEEDS, np.ones(3), context[:3])
    one, _ = flow.sample_rows_and_log_prob(SEEDS[1:2], np.ones(1), context[1:2])
    np.testing.assert_allclose(one, rows[1:2])


def test_the_conditional_flows_distribution():
    flow, context = conditional_flow(), np.ones(3)
    x = flow.distribution.sample([2, 3], seed=1, context=context)
    assert x.shape == (2, 3, 2)
    log_prob = flow.distribution.log_prob(x, context=np.ones((2, 3, 3)))
    np.testing.assert_allclose(log_prob, flow.log_prob(x, np.ones((2, 3, 3))))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="num_components >= 1"):
        GaussianMixture(2, 0)
    with pytest.raises(ValueError, match="covariance"):
        GaussianMixture(2, 1, covariance="round")
    with pytest.raises(ValueError, match="context_dim >= 1"):
        ConditionalNormal(2, 0)
    with pytest.raises(ValueError, match="network that is a Keras layer"):
        ConditionalNormal(2, 3, np.sin)
    with pytest.raises(ValueError, match=r"context of shape \(3,\) for .*got None"):
        tfflows.Flow(fb.Scale(), (2,), base=conditional())
    with pytest.raises(ValueError, match="expected a base with event shape"):
        tfflows.Flow(fb.Scale(), (4,), base=conditional(), context_shape=3)
