"""Residual steps against closed forms and their bounds, and what they refuse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import autodiff_log_det, randomize
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.bijectors.log_det_series import Terms, series_log_det
from tfflows.bijectors.ode_solvers import refined
from tfflows.bijectors.probes import tiled, unit_vectors
from tfflows.bijectors.residual_branch import Branch

X = np.random.default_rng(0).standard_normal((4, 3))


def residual(log_det="exact", lipschitz=0.8, dtype="float64", size=3, **kwargs):
    network = networks.LipschitzMLP((5,), lipschitz=lipschitz, dtype=dtype)
    step = fb.Residual(network, log_det, dtype=dtype, **kwargs)
    step.build((None, size))
    randomize(step, 2.0)
    return step


def pair(**kwargs):
    """A step with the exact log-det, and one of the same weights with the series."""
    exact, series = residual(), residual("series", **kwargs)
    series.network.set_weights(exact.network.get_weights())
    return exact, series


@pytest.mark.parametrize("num_terms", [1, 8, 120])
def test_the_truncated_series_is_within_its_bound(num_terms):
    exact, series = pair(num_terms=num_terms)
    branch, size = Branch(series, None), X.shape[1]
    units = tf.repeat(tf.constant(unit_vectors((size,))), len(X), axis=0)
    last = tf.fill([size * len(X)], tf.constant(float(num_terms), tf.float64))
    each = series_log_det(
        branch, tiled(tf.constant(X), size), [], units, Terms(last, num_terms, 0.5)
    )
    found = tf.reduce_sum(tf.reshape(each, [size, len(X)]), axis=0)
    error = np.abs(found - exact.inverse_log_det_jacobian(X)).max()
    assert error <= series.truncation_bound() + 1e-12
    # By definition of the tail of the series.
    k = np.arange(num_terms + 1, 2000)
    assert series.truncation_bound() == pytest.approx(3 * np.sum(0.8**k / k), abs=1e-9)
    assert exact.truncation_bound() == 0.0


def test_the_estimate_in_training_is_unbiased_and_so_is_its_gradient():
    exact, series = pair(certain_terms=1, going_on=0.7)
    x, rows = X[:1], 2000
    many = tf.constant(np.repeat(x, rows, axis=0))
    flows = [tfflows.Flow(step, (3,)) for step in (exact, series)]
    (wanted, by_weights), (drawn, by_weights_drawn) = [
        value_and_gradients(flow, many) for flow in flows
    ]
    error = np.std(drawn) / np.sqrt(rows)
    assert 0.0 < error < 0.03
    assert abs(np.mean(drawn) - wanted[0]) < 4 * error
    for one, other in zip(by_weights, by_weights_drawn, strict=True):
        np.testing.assert_allclose(other, one, atol=0.1)
    assert len(np.unique(np.round(drawn, 9))) > 20  # signs and numbers of terms


def value_and_gradients(flow, x):
    weights = [weight.value for weight in flow.trainable_weights]
    with tf.GradientTape() as tape:
        log_prob = flow(x, training=True)
        mean = tf.reduce_mean(log_prob)
    return log_prob.numpy(), tape.gradient(mean, weights)


def test_blocks_of_a_model_draw_different_noise():
    flow = tfflows.models.residual_flow((3,), num_blocks=3, log_det="series")
    keys = [w for w in flow.non_trainable_weights if "noise_keys" in w.path]
    rows = np.concatenate([np.reshape(key, (-1, 2)) for key in keys])
    assert len(np.unique(rows)) == 6


def test_a_density_integrates_to_one():
    step = fb.Repeated(fb.Residual(networks.LipschitzMLP((6,), lipschitz=0.95)), 2)
    flow = tfflows.Flow(step, (2,))
    randomize(flow, 2.0)
    line = np.linspace(-14, 14, 281)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    total = np.sum(np.exp(flow.log_prob(grid))) * (line[1] - line[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


def test_outside_of_training_the_estimate_is_fixed_and_tends_to_the_log_det():
    exact, series = pair(num_terms=30, num_probes=500)
    x = np.repeat(X[:1], 3, axis=0)
    series._noise_keys.assign([1, 2])
    found = series.inverse_log_det_jacobian(x)
    assert np.ptp(found) < 1e-12
    wanted = exact.inverse_log_det_jacobian(X[:1])
    np.testing.assert_allclose(found[:1], wanted, atol=0.06)


def test_steps_have_vectors_of_their_own_that_are_saved():
    one, other = residual("series", size=9), residual("series", size=9)
    one._noise_keys.assign([1, 2])
    other._noise_keys.assign([3, 4])
    x = tf.zeros((1, 9), "float64")
    assert np.any(one._probes(x) != other._probes(x))
    other.set_weights(one.get_weights())
    np.testing.assert_array_equal(one._probes(x), other._probes(x))


def test_gradients_of_the_inverse_are_implicit():
    step, x = residual(), tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        again = step.forward(tf.identity(step.inverse(x)))
        loss = tf.reduce_sum(tf.sin(again))
    weights = [weight.value for weight in step.trainable_weights]
    by_x, *by_weights = tape.gradient(loss, [x, *weights])
    np.testing.assert_allclose(by_x, np.cos(X), atol=1e-12)
    for gradient in by_weights:
        np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def test_a_row_does_not_depend_on_its_batch():
    step = residual(dtype="float32")
    z = np.concatenate([X, 50 * X]).astype("float32")
    together, alone = step.forward(z), [step.forward(row[None])[0] for row in z]
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)


def test_an_inverse_that_is_not_found_is_an_error():
    step = residual(max_iterations=2)
    with pytest.raises(ValueError, match=r"2 iterations .*smaller constant.* many: 4"):
        step.forward(X)
    graph = tf.function(step.forward)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not solved"):
        graph(tf.constant(X))
    compiled = tf.function(step.forward, jit_compile=True)
    assert np.isnan(compiled(tf.constant(X))).all()


def test_a_row_that_diverges_or_a_gradient_that_is_not_found_is_an_error():
    step = half(np.diag([1e200] * 3), max_iterations=9)
    with pytest.raises(ValueError, match=r"got rows that are not solved.* many: 4"):
        step.forward(X)
    step, zeros = (
        half(np.diag([1.8] * 3), max_iterations=3),
        tf.zeros((2, 3), "float64"),
    )
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        x = step.forward(zeros)  # at once
    with pytest.raises(ValueError, match=r"got gradients of rows .* many: 2"):
        tape.gradient(x, zeros)


def test_a_latent_that_is_not_finite_has_no_value():
    step = half(np.eye(3))
    found = step.forward(np.concatenate([X, [[np.inf, 0, 0], [0, np.nan, 0]]])).numpy()
    np.testing.assert_allclose(found[:4], X / 1.5)
    assert np.isnan(found[4:]).all()


def test_a_coarser_tolerance_takes_fewer_iterations_and_has_its_error():
    fine, coarse = residual(), residual(inverse_tolerance=1e-3)
    coarse.set_weights(fine.get_weights())
    error = np.abs(fine.forward(X) - coarse.forward(X)).max()
    assert 1e-9 < error < 1e-3 * 0.8 / 0.2 * (1 + np.abs(X).max())


def test_a_series_with_too_few_terms_is_measured_and_told():
    step = residual("series", num_terms=2)
    flow = tfflows.Flow(step, (3,))
    flow.compile()
    with pytest.warns(UserWarning, match=r"a series of 2 terms; take more num_terms"):
        flow.evaluate(X, verbose=0)
    error = tfflows.models.solver_error(flow, X)
    assert 0.0 < error.mean <= error.largest <= step.truncation_bound()
    with refined(2):
        finer = step.inverse_log_det_jacobian(X)
    assert np.abs(finer - step.inverse_log_det_jacobian(X)).max() > 0.0


@keras.saving.register_keras_serializable("tests")
class Half(keras.layers.Layer):
    """g(x) = A x, with its constant in the call of `Residual`."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(3, 3), initializer="orthogonal")

    def call(self, inputs):
        return 0.5 * tf.matmul(inputs, self.kernel)


def half(kernel, log_det="exact", **kwargs):
    step = fb.Residual(
        Half(dtype="float64"), log_det, lipschitz=0.9, dtype="float64", **kwargs
    )
    step.build((None, 3))
    step.network.kernel.assign(kernel)
    return step


@pytest.mark.parametrize("log_det", ["exact", "series"])
def test_a_log_det_tells_that_the_constant_is_too_large(log_det):
    step = half(np.diag([-6.0, 0.2, 0.2]), log_det)
    with pytest.raises(ValueError, match=r"constant is below 1, got rows .* many: 4"):
        step.inverse_log_det_jacobian(X)
    compiled = tf.function(step.inverse_log_det_jacobian, jit_compile=True)
    assert np.isnan(compiled(tf.constant(X))).all()


@pytest.mark.parametrize(
    "network",
    [
        keras.layers.Dropout(0.5, dtype="float64"),
        keras.layers.ActivityRegularization(l2=0.1, dtype="float64"),
    ],
)
def test_a_network_with_side_effects_is_refused(network):
    step = fb.Residual(network, lipschitz=0.5, dtype="float64")
    flow = tfflows.Flow(step, (3,), dtype="float64")
    with pytest.raises(ValueError, match=r"nor adds losses .*; take a network without"):
        flow(X, training=True)


@pytest.mark.parametrize(
    "log_det", ["exact", pytest.param("series", marks=pytest.mark.large)]
)
def test_a_network_of_ones_own_states_its_constant(log_det):
    step = fb.Residual(Half(dtype="float64"), log_det, lipschitz=0.5, dtype="float64")
    step = fb.Repeated(step, 2)
    step.build((None, 3))
    np.testing.assert_allclose(step.inverse(tf.identity(step.forward(X))), X)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(step.forward_log_det_jacobian(X))
    assert np.any(tape.gradient(loss, step.trainable_weights[0].value) != 0.0)
    if log_det == "exact":
        found = step.inverse_log_det_jacobian(X)
        np.testing.assert_allclose(found, autodiff_log_det(step.inverse, X))


def test_a_constant_that_is_not_below_one_is_refused():
    for constant in (1.0, 1.5, 0.0):
        with pytest.raises(ValueError, match=r"lipschitz > 0 and < 1, got"):
            networks.LipschitzMLP((4,), lipschitz=constant)
        with pytest.raises(ValueError, match=r"lipschitz > 0 and < 1, got"):
            fb.Residual(Half(), lipschitz=constant)
    with pytest.raises(ValueError, match=r"an attribute lipschitz, .*or lipschitz="):
        fb.Residual(Half())
    with pytest.raises(ValueError, match=r"lipschitz=0.9, the network's own"):
        fb.Residual(networks.LipschitzMLP((4,)), lipschitz=0.5)


def test_a_network_of_another_shape_is_named():
    step = fb.Residual(keras.layers.Dense(2), lipschitz=0.5)
    with pytest.raises(ValueError, match=r"its input, \(None, 3\), got \(None, 2\)"):
        step.build((None, 3))


@pytest.mark.large  # its traces take most of the time of this file
def test_a_conditional_flow_on_images():
    flow = tfflows.models.residual_flow(
        (4, 4, 1), num_blocks=2, network="convnet", width=3, num_levels=2,
        context_shape=(2,), num_terms=4, tolerance=10.0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 4, 4, 1)).astype("float32")
    context = rng.standard_normal((16, 2)).astype("float32")
    flow.initialize(x, context)
    flow.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
    losses = flow.fit({"x": x, "context": context}, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    z = flow.encode(x, context)
    np.testing.assert_allclose(flow.decode(z, context), x, atol=1e-4)
    assert np.any(flow.log_prob(x, context) != flow.log_prob(x, 1.0 + context))
