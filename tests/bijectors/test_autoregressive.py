"""MAF, IAF and splines beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def made(dtype="float32", **kwargs):
    return networks.MADE((16, 16), activation="tanh", dtype=dtype, **kwargs)


def test_maf_and_iaf_with_shared_weights_are_each_others_inverse():
    network = made()
    maf, iaf = fb.MaskedAutoregressive(network), fb.InverseAutoregressive(network)
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    maf.build((None, 5))
    randomize(network)
    np.testing.assert_allclose(iaf.forward(maf.forward(x)), x, atol=1e-5)
    np.testing.assert_allclose(iaf.forward(x), maf.inverse(x), rtol=1e-6)
    np.testing.assert_allclose(
        iaf.inverse_log_det_jacobian(x), maf.forward_log_det_jacobian(x), atol=1e-5
    )


def test_the_affine_maf_is_its_formula():
    step = fb.MaskedAutoregressive(
        made("float64"), fb.AffineLaw("exp"), dtype="float64"
    )
    step.build((None, 3))
    randomize(step)
    z = np.random.default_rng(0).normal(size=(4, 3))
    x, log_det = step.forward_and_log_det(z)
    shift, log_scale = np.split(step.network(x).numpy(), 2, axis=1)
    np.testing.assert_allclose(x, z * np.exp(log_scale) + shift)
    np.testing.assert_allclose(log_det, log_scale.sum(axis=1))


@pytest.mark.parametrize("law", ["affine", fb.RationalQuadraticLaw(4)])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_loop_has_gradients_in_graphs_of_a_dynamic_batch(law, jit_compile):
    step = fb.MaskedAutoregressive(made("float64"), law, dtype="float64")
    step.build((None, 4))
    randomize(step)
    weights = [v.value for v in step.trainable_variables]

    def gradients(z):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(step.forward(z) ** 2)
        return tape.gradient(loss, weights)

    spec = tf.TensorSpec([None, 4], tf.float64)
    graph = tf.function(gradients, input_signature=[spec], jit_compile=jit_compile)
    z = np.random.default_rng(0).normal(size=(3, 4))
    for ours, wanted in zip(graph(z), gradients(tf.constant(z)), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-8, atol=1e-10)


def test_a_context_conditions_every_element():
    step = fb.MaskedAutoregressive(made(context_dim=2))
    step.build((None, 3))
    randomize(step)
    z, context = np.ones((2, 3)), np.array([[0.0, 1.0], [1.0, 0.0]])
    x = step.forward(z, context=context)
    assert np.all(x[0] != x[1])
    np.testing.assert_allclose(step.inverse(x, context=context), z, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fb.MaskedAutoregressive(networks.MLP((4,))), "networks.MADE, got MLP"),
        (lambda: fb.MaskedAutoregressive(made(num_params=3)), "num_params=2"),
        (lambda: fb.RationalQuadraticLaw(1), "num_bins >= 2"),
        (lambda: fb.RationalQuadraticLaw(bound=0.0), "bound > 0"),
    ],
)
def test_parts_that_do_not_fit_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def random_params(law, rows, scale, dtype="float64"):
    rng = np.random.default_rng(0)
    params = scale * rng.normal(size=(rows, law.num_params * 1))
    return tf.constant(params, dtype)


@pytest.mark.parametrize("scale", [0.5, 5.0, 100.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_spline_is_monotone_and_inverts_however_extreme_its_parameters(scale, dtype):
    law = fb.RationalQuadraticLaw(num_bins=8, bound=3.0)
    params = random_params(law, 200, scale, dtype)
    grid = np.linspace(-3.5, 3.5, 501)
    z = tf.constant(np.tile(grid, (200, 1)), dtype)
    rows = [law.forward(z[:, i : i + 1], params) for i in range(0, 501, 10)]
    x = tf.concat([row[0] for row in rows], axis=1).numpy()
    assert np.all(np.diff(x, axis=1) > (0.0 if dtype == "float64" else -1e-6))
    assert np.isfinite([row[1] for row in rows]).all()
    back = [law.inverse(row[0], params)[0] for row in rows]
    again = [law.forward(z, params)[0] for z in back]
    # Where the spline is flat, z is ill-conditioned and x is not; where steep, x.
    error = np.minimum(
        np.abs(tf.concat(back, axis=1) - grid[::10]),
        np.abs(tf.concat(again, axis=1) - x),
    )
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


def test_a_spline_flows_density_integrates_to_one():
    flow = tfflows.Flow(
        fb.Chain(
            [
                fb.RationalQuadraticCoupling(
                    networks.MLP((8,), dtype="float64"), dtype="float64"
                ),
                fb.MaskedAutoregressive(
                    made("float64"), fb.RationalQuadraticLaw(4), dtype="float64"
                ),
            ],
            dtype="float64",
        ),
        (2,),
    )
    randomize(flow)
    edges = np.linspace(-7.0, 7.0, 501)
    grid = np.stack(np.meshgrid(edges, edges), axis=-1).reshape(-1, 2)
    total = np.exp(flow.log_prob(grid)).sum() * (edges[1] - edges[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)
