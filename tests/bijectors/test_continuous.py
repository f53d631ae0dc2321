"""Continuous flows against closed forms, and what they refuse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
import tensorflow_probability as tfp

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.bijectors.ode_solvers import METHODS, refined

MATRIX = np.array([[0.4, -1.1], [0.7, 0.3]])


@keras.saving.register_keras_serializable("tests")
class Linear(keras.layers.Layer):
    """dx/dt = A x + t: with a matrix exponential as the solution."""

    def build(self, x_shape, t_shape):
        self.kernel = self.add_weight(
            shape=(2, 2), initializer=lambda *_, **__: tf.constant(MATRIX)
        )

    def call(self, x, t):
        return tf.matmul(x, self.kernel, transpose_b=True) + t


def linear(method="rk4", num_steps=4, **kwargs):
    step = fb.ContinuousFlow(
        Linear(dtype="float64"), method, num_steps, dtype="float64", **kwargs
    )
    step.build((None, 2))
    return step


def solution(z):
    """By the augmented system d/dt (x, t, 1) = B (x, t, 1)."""
    system = np.zeros((4, 4))
    system[:2, :2], system[:2, 2], system[2, 3] = MATRIX, 1.0, 1.0
    start = np.concatenate([z, np.zeros((len(z), 1)), np.ones((len(z), 1))], axis=1)
    return (start @ scipy.linalg.expm(system).T)[:, :2]


Z = np.random.default_rng(0).standard_normal((5, 2))


@pytest.mark.parametrize(("method", "order"), [("midpoint", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order_of_the_method_in_both_directions(method, order):
    wanted, errors = solution(Z), {"forward": [], "inverse": []}
    for num_steps in (8, 16):
        step = linear(method, num_steps)
        errors["forward"].append(np.abs(step.forward(Z) - wanted).max())
        errors["inverse"].append(np.abs(step.inverse(wanted) - Z).max())
    for coarse, fine in errors.values():
        assert coarse / fine == pytest.approx(2.0**order, rel=0.3)


def test_all_methods_agree_on_values_log_dets_and_gradients():
    found = []
    for method in METHODS:
        step = linear(method, 100, tolerance=1e-6)
        with tf.GradientTape() as tape:
            x, log_det = step.forward_and_log_det(Z)
            loss = tf.reduce_sum(x**2) + tf.reduce_sum(log_det)
        (weight,) = step.trainable_weights
        found.append([x, log_det, tape.gradient(loss, weight.value)])
    np.testing.assert_allclose(found[0][0], solution(Z), atol=1e-4)
    np.testing.assert_allclose(found[0][1], np.trace(MATRIX), rtol=1e-9)
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_hutchinsons_estimate_tends_to_the_trace_and_is_fixed():
    one, many = [
        linear("midpoint", 1, divergence="hutchinson", num_probes=number)
        for number in (1, 4000)
    ]
    estimate = one.forward_and_log_det(Z)[1]
    assert np.ptp(estimate) < 1e-12  # one linear map: the same for all rows
    off_diagonal = MATRIX[0, 1] + MATRIX[1, 0]
    assert abs(float(estimate[0]) - np.trace(MATRIX)) == pytest.approx(
        abs(off_diagonal)
    )
    error = 4 * abs(off_diagonal) / np.sqrt(4000)
    assert abs(many.forward_and_log_det(Z)[1][0] - np.trace(MATRIX)) < error


def test_training_draws_signs_for_each_example_and_evaluation_does_not():
    flow = tfflows.Flow(linear(divergence="hutchinson"), (2,))
    x = np.repeat(Z[:1], 400, axis=0)
    fixed, drawn = flow(x), flow(x, training=True)
    assert np.ptp(fixed) < 1e-12
    assert len(np.unique(np.round(drawn, 6))) == 2  # e1 e2 is 1 or -1
    exact = tfflows.Flow(linear(), (2,)).log_prob(Z[0])
    assert np.mean(drawn) == pytest.approx(float(exact), abs=0.1)


def test_a_density_integrates_to_one():
    step = fb.ContinuousFlow(networks.MLP((4,), "tanh"), num_steps=4)
    flow = tfflows.Flow(step, (2,))
    randomize(flow)
    line = np.linspace(-9, 9, 91)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    total = np.sum(np.exp(flow.log_prob(grid))) * (line[1] - line[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


def test_networks_of_two_inputs_are_called_with_the_time():
    x, t = keras.Input((2,)), keras.Input((1,))
    outputs = keras.layers.Dense(2)(keras.layers.Concatenate()([x, t]))
    step = fb.ContinuousFlow(keras.Model([x, t], outputs), num_steps=8)
    step.build((None, 2))
    np.testing.assert_allclose(step.inverse(tf.identity(step(Z))), Z, atol=1e-2)


@pytest.mark.parametrize("units", [1, 3])
def test_a_network_that_returns_another_shape_is_named(units):
    x, t = keras.Input((2,)), keras.Input((1,))
    model = keras.Model([x, t], keras.layers.Dense(units)(x) + t)
    with pytest.raises(ValueError, match=rf"velocity, of shape \(None, 2\).*{units}"):
        fb.ContinuousFlow(model).build((None, 2))


def test_a_tolerance_below_rounding_is_refused():
    with pytest.raises(ValueError, match=r"tolerance >= 1e-06, what float32"):
        fb.ContinuousFlow(networks.MLP((2,)), "dopri5", tolerance=1e-9)


def test_xla_is_refused_for_adaptive_steps():
    flow = tfflows.Flow(fb.ContinuousFlow(networks.MLP((2,)), "dopri5"), (2,))
    with pytest.raises(ValueError, match="number of steps depends on the values"):
        flow.compile(jit_compile=True)


def test_a_solver_with_too_few_steps_is_measured_and_told():
    flow = tfflows.Flow(linear("midpoint", 1), (2,))
    flow.compile()
    with pytest.warns(UserWarning, match=r"within tolerance=0.001 .*midpoint of 1 st"):
        flow.evaluate(Z, verbose=0)
    error = tfflows.models.solver_error(flow, Z)
    with refined(2):
        fine = flow.log_prob(Z[:2])
    assert error.largest >= error.mean > 0.01
    assert np.abs(flow.log_prob(Z)[:2] - fine).max() <= error.largest
    exact = tfflows.Flow(linear("rk4", 32), (2,))
    assert tfflows.models.solver_error(exact, Z).largest < 1e-6


@pytest.mark.large  # its traces take most of a minute
def test_tfps_own_ffjord_trains_as_a_step():
    dense = keras.layers.Dense(2)
    dense.build((None, 2))
    ffjord = tfp.bijectors.FFJORD(
        lambda t, x: dense(x),
        ode_solve_fn=tfp.math.ode.DormandPrince(atol=1e-3).solve,
        trace_augmentation_fn=tfp.bijectors.ffjord.trace_jacobian_exact,
    )
    flow = tfflows.Flow(fb.TFPStep(ffjord, event_ndims=1), (2,))
    x = Z.astype("float32") + 2.0
    before = float(np.mean(flow.log_prob(x)))
    flow.compile(keras.optimizers.Adam(0.1))
    flow.fit(x, batch_size=5, epochs=3, verbose=0)
    assert len(flow.trainable_weights) == 2
    assert float(np.mean(flow.log_prob(x))) > before
