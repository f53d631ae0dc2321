"""MAF and IAF beyond the contract."""

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


@pytest.mark.parametrize(
    ("law", "jit_compile"),
    [
        ("affine", False),
        (fb.RationalQuadraticLaw(4), True),
        pytest.param("affine", True, marks=pytest.mark.large),
        pytest.param(fb.RationalQuadraticLaw(4), False, marks=pytest.mark.large),
    ],
)
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
