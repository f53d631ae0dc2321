"""Logistic mixtures beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def of_the_paper(x, params, number):
    """z and ln dz/dx of one element, as the paper writes them."""
    b, a, logits, shifts, h = np.split(params, [1, 2, 2 + number, 2 + 2 * number])
    log_scales = 7.0 * np.tanh(h / 7.0)
    quantiles = special.logit((np.arange(number) + 0.5) / number)
    means = shifts - quantiles * np.tanh(log_scales / 2.0)
    u, weights = (x - means) / np.exp(log_scales), special.softmax(logits)
    cdf = np.sum(weights * special.expit(u))
    density = np.sum(
        weights * special.expit(u) * special.expit(-u) / np.exp(log_scales)
    )
    scale = np.exp(np.tanh(a[0]))
    slope = scale * density / (cdf * (1.0 - cdf))
    return scale * special.logit(cdf) + b[0], np.log(slope)


@pytest.mark.parametrize("number", [2, 5])
def test_it_is_the_papers_map_and_its_inverse(number):
    law, rng = fb.MixtureLogisticLaw(number), np.random.default_rng(number)
    x = rng.uniform(-2.0, 2.0, (100, 1))
    params = 2.0 * rng.normal(size=(100, law.num_params))
    params[:, -number:] = np.abs(params[:, -number:])  # not so steep as to cancel
    wanted = [of_the_paper(*row, number) for row in zip(x[:, 0], params, strict=True)]
    z, log_slope = law.inverse(tf.constant(x), tf.constant(params))
    np.testing.assert_allclose(tf.concat([z, log_slope], axis=1), wanted, atol=1e-9)
    back, negative = law.forward(z, tf.constant(params))
    np.testing.assert_allclose(back, x, atol=1e-9)
    np.testing.assert_allclose(negative, -log_slope, atol=1e-9)


@pytest.mark.parametrize("value", [-1e4, -40.0, 0.0, 40.0, 1e4])
def test_zero_parameters_are_the_identity_also_in_the_tails(value):
    law, x = fb.MixtureLogisticLaw(), tf.fill((3, 1), value)
    for map_ in (law.forward, law.inverse):
        y, log_slope = map_(x, tf.zeros((3, law.num_params)))
        np.testing.assert_allclose(y, x, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(log_slope, 0.0, atol=2e-6)


@pytest.mark.parametrize("scale", [1.0, 5.0, 30.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_inverts_and_has_gradients_however_extreme_its_parameters(scale, dtype):
    law, rng = fb.MixtureLogisticLaw(4), np.random.default_rng(0)
    params = tf.constant(scale * rng.normal(size=(200, law.num_params)), dtype)
    x = tf.constant(np.linspace(-40.0, 40.0, 200)[:, np.newaxis], dtype)
    z, log_slope = law.inverse(x, params)
    with tf.GradientTape() as tape:
        tape.watch([z, params])
        back, negative = law.forward(z, params)
        loss = tf.reduce_sum(back) + tf.reduce_sum(negative)
    gradients = tape.gradient(loss, [z, params])
    for value in (z, log_slope, back, negative, *gradients):
        assert np.isfinite(value).all()
    again = law.inverse(back, params)[0]
    # Between narrow components z is flat, and x ill-conditioned; at them z is steep.
    error = np.minimum(np.abs(back - x), np.abs(again - z) / (1.0 + np.abs(z)))
    assert error.max() < (1e-9 if dtype == "float64" else 1e-3)


def test_components_differ_after_one_step():
    step = fb.MixtureLogisticCoupling(networks.MLP((8,)), num_components=4)
    x = tf.constant(np.random.default_rng(0).normal(size=(64, 2)), tf.float32)
    with tf.GradientTape() as tape:
        z, log_det = step.inverse_and_log_det(x)
        loss = tf.reduce_sum(z**2) - tf.reduce_sum(log_det)
    bias = step._head.bias
    gradient = tape.gradient(loss, bias.value).numpy()
    assert len(np.unique(gradient[-4:].round(5))) == 4


def test_couplings_in_columns_and_in_rows_are_equal():
    def coupling(head):
        step = fb.MixtureLogisticCoupling(
            networks.MLP((6,), dtype="float64"), head=head, dtype="float64"
        )
        step.build((None, 5))
        return step

    in_columns, own = coupling("auto"), coupling("weight_norm")
    randomize(own)
    x = tf.constant(np.random.default_rng(0).normal(size=(7, 5)))
    kept, changed = own._mask.split(x)
    params = own._head(own.conditioner(kept))
    rows = own.law.inverse(changed, params)
    columns = in_columns.law.inverse(tf.transpose(changed), tf.transpose(params), 0)
    for got, wanted in zip(columns, rows, strict=True):
        np.testing.assert_allclose(tf.transpose(got), wanted, rtol=1e-12)


def test_masked_elements_stay():
    step = fb.MixtureLogisticCoupling(networks.MLP((8,)), [0, 1, 1], dtype="float64")
    step.build((None, 3))
    randomize(step)
    x = np.random.default_rng(0).normal(size=(6, 3))
    moved = np.abs(step.inverse(x) - x)
    assert moved[:, 0].min() > 1e-6
    np.testing.assert_allclose(moved[:, 1:], 0.0, atol=1e-12)
