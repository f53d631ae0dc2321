"""Rational-quadratic splines beyond the contract."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.bijectors import heads


def random_params(law, rows, scale, dtype="float64"):
    rng = np.random.default_rng(0)
    params = scale * rng.normal(size=(rows, law.num_params * 1))
    return tf.constant(params, dtype)


@pytest.mark.parametrize("scale", [0.5, 5.0, 100.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_spline_is_monotone_and_inverts_however_extreme_its_parameters(scale, dtype):
    law = fb.RationalQuadraticLaw(num_bins=8, bound=3.0)
    params = random_params(law, 200, scale, dtype)
    grid = np.linspace(-3.5, 3.5, 51)
    z = tf.constant(np.tile(grid, 200)[:, np.newaxis], dtype)
    params = tf.repeat(params, len(grid), axis=0)
    x, log_slope = law.forward(z, params)
    rises = np.diff(tf.reshape(x, (200, len(grid))), axis=1)
    assert np.all(rises > (0.0 if dtype == "float64" else -1e-6))
    assert np.isfinite(log_slope).all()
    back = law.inverse(x, params)[0]
    again = law.forward(back, params)[0]
    # Where the spline is flat, z is ill-conditioned and x is not; where steep, x.
    error = np.minimum(np.abs(back - z), np.abs(again - x))
    assert error.max() < (1e-9 if dtype == "float64" else 2e-2)


def test_outside_its_interval_a_spline_is_the_identity_and_so_is_a_fresh_one():
    law = fb.RationalQuadraticLaw()
    outside = tf.constant([[-50.0], [-3.0], [3.0], [1e30]])
    for map_ in (law.forward, law.inverse):
        value, log_slope = map_(outside, random_params(law, 4, 3.0, "float32"))
        np.testing.assert_array_equal(value, outside)
        np.testing.assert_array_equal(log_slope, 0.0)
        inside = tf.constant(np.linspace(-2.9, 2.9, 30)[:, np.newaxis], tf.float32)
        value, log_slope = map_(inside, tf.zeros((30, law.num_params)))
        np.testing.assert_allclose(value, inside, atol=1e-5)
        np.testing.assert_allclose(log_slope, 0.0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0, 3.0001, -700.0, 1e30])
@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_gradients_are_finite_at_the_ends_and_far_outside(value, way):
    law = fb.RationalQuadraticLaw()
    x, params = tf.fill((5, 1), value), random_params(law, 5, 2.0, "float32")
    with tf.GradientTape() as tape:
        tape.watch([x, params])
        y, log_slope = getattr(law, way)(x, params)
        loss = tf.reduce_sum(y) + tf.reduce_sum(log_slope)
    for gradient in tape.gradient(loss, [x, params]):
        assert np.isfinite(gradient).all()


def spline_of_the_paper(z, params, bins, bound):
    """One element by equations 4 and 5, with knots as the paper writes them."""
    width, height, slopes = np.split(params, [bins, 2 * bins])
    knots = []
    for logits in (width, height):
        share = np.exp(logits - logits.max())
        share = 0.01 / bins + 0.99 * share / share.sum()
        knots.append(2 * bound * np.concatenate([[0.0], np.cumsum(share)]) - bound)
    slopes = 1e-3 + np.log1p(np.exp(slopes + np.log(np.expm1(0.999))))
    d = np.concatenate([[1.0], slopes, [1.0]])
    k = np.searchsorted(knots[0], z, side="right") - 1
    (z0, z1), (x0, x1) = knots[0][k : k + 2], knots[1][k : k + 2]
    t, s = (z - z0) / (z1 - z0), (x1 - x0) / (z1 - z0)
    below = s + (d[k + 1] + d[k] - 2 * s) * t * (1 - t)
    x = x0 + (x1 - x0) * (s * t**2 + d[k] * t * (1 - t)) / below
    rise = d[k + 1] * t**2 + 2 * s * t * (1 - t) + d[k] * (1 - t) ** 2
    return x, np.log(s**2 * rise / below**2)


@pytest.mark.parametrize("bins", [2, 3, 5, 7, 8, 11])
def test_any_number_of_bins_gives_the_spline_of_the_paper(bins):
    law, rng = fb.RationalQuadraticLaw(bins, bound=2.0), np.random.default_rng(bins)
    z = rng.uniform(-2.0, 2.0, (100, 1))
    params = 2.0 * rng.normal(size=(100, law.num_params))
    expected = [
        spline_of_the_paper(*row, bins, 2.0)
        for row in zip(z[:, 0], params, strict=True)
    ]
    x, log_slope = law.forward(tf.constant(z), tf.constant(params))
    np.testing.assert_allclose(tf.concat([x, log_slope], axis=1), expected, atol=1e-9)
    back, negative = law.inverse(x, tf.constant(params))
    np.testing.assert_allclose(back, z, atol=1e-9)
    np.testing.assert_allclose(negative, -log_slope, atol=1e-8)


def couplings(**kwargs):
    """One of columns and one of rows, with the same weights."""

    def coupling(**more):
        network = networks.MLP((16,), dtype=kwargs.get("dtype"))
        step = fb.RationalQuadraticCoupling(network, **more, **kwargs)
        step.build((None, 5))
        return step

    dtype = kwargs.get("dtype")
    own = coupling(head=lambda outputs: keras.layers.Dense(outputs, dtype=dtype))
    in_columns = coupling()
    assert isinstance(in_columns._head, heads.DenseInColumns)
    assert not isinstance(own._head, heads.DenseInColumns)
    randomize(own)
    in_columns.set_weights(own.get_weights())
    return in_columns, own


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mask", ["half", "alternating"])
@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_couplings_in_columns_and_in_rows_are_equal(dtype, mask, way):
    steps = couplings(dtype=dtype, mask=mask)
    x = tf.random.stateless_normal([7, 5], (1, 2), dtype=dtype)

    def run(step):
        with tf.GradientTape() as tape:
            y, log_det = getattr(step, f"{way}_and_log_det")(x)
            loss = tf.reduce_sum(y**2) - tf.reduce_sum(log_det)
        gradients = tape.gradient(loss, [w.value for w in step.trainable_weights])
        return [y, log_det, *gradients]

    tolerance = {"float32": 1e-4, "float64": 1e-10}[dtype]
    for got, wanted in zip(*map(run, steps), strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rows", [0, 6])
def test_columns_in_half_precision_and_of_an_empty_batch(rows):
    x = tf.random.stateless_normal([rows, 5], (1, 2))
    results = [s.inverse_and_log_det(x) for s in couplings(dtype="mixed_bfloat16")]
    for got, wanted in zip(*results, strict=True):
        assert got.dtype == tf.float32
        np.testing.assert_allclose(got, wanted, rtol=2e-2, atol=2e-2)


def test_a_law_of_rows_alone_and_a_binary_mask_get_rows():
    class Rows(fb.RationalQuadraticLaw):
        def inverse(self, x, params):
            return super().inverse(x, params)

    for law, mask in [(Rows(4), "half"), (fb.RationalQuadraticLaw(4), [1, 0, 1])]:
        step = fb.Coupling(law, networks.MLP((8,)), mask)
        step.build((None, 3))
        randomize(step)
        x = tf.random.stateless_normal([6, 3], (1, 2))
        assert not isinstance(step._head, heads.DenseInColumns)
        np.testing.assert_allclose(step.forward(step.inverse(x)), x, atol=1e-4)


@pytest.mark.parametrize(("bins", "scale"), [(8, 3.0), (8, 10.0), (5, 100.0)])
def test_values_within_rounding_of_a_knot_have_finite_log_dets(bins, scale):
    law, rng = fb.RationalQuadraticLaw(bins), np.random.default_rng(bins)
    params = scale * rng.normal(size=(4000, law.num_params))
    share = np.exp(params[:, :bins] - params[:, :bins].max(1, keepdims=True))
    share = 0.01 / bins + 0.99 * share / share.sum(1, keepdims=True)
    knots = (6.0 * np.cumsum(share, axis=1)[:, :-1] - 3.0).astype("float32")
    away = np.arange(-3, 4, dtype="float32")
    near = knots[..., np.newaxis] + away * np.spacing(np.abs(knots))[..., np.newaxis]
    rows = tf.repeat(tf.constant(params, tf.float32), near[0].size, axis=0)
    for results in law.forward(tf.constant(near.reshape(-1, 1)), rows):
        assert np.isfinite(results).all()


@pytest.mark.parametrize("way", ["forward", "inverse"])
@pytest.mark.parametrize("bins", [4, 8, 16])
def test_gradients_do_not_vanish_within_rounding_of_a_knot(way, bins):
    law = fb.RationalQuadraticLaw(bins)
    knots = np.linspace(-3.0, 3.0, bins + 1, dtype="float32")[1:-1, np.newaxis]
    near = knots + np.arange(-2, 3, dtype="float32") * np.spacing(np.abs(knots))
    value = tf.constant(near.reshape(-1, 1))
    with tf.GradientTape() as tape:
        tape.watch(value)
        result, _ = getattr(law, way)(value, tf.zeros((near.size, law.num_params)))
    np.testing.assert_allclose(tape.gradient(result, value), 1.0, atol=1e-3)
