"""Planar and radial steps: closed forms, invertibility, numerical inverses."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import autodiff_log_det, randomize
from tfflows import bijectors as fb
from tfflows.bijectors.root_finding import increasing_root

SIZES = (1e-30, 1e-3, 1.0, 30.0, 1e3)


def planar(u, w, b=0.0, activation="tanh", dtype="float64"):
    step = fb.Planar(activation, dtype=dtype)
    step.build((None, len(u)))
    for weight, value in zip(step.weights, (u, w, b), strict=True):
        weight.assign(value)
    return step


def radial(center, raw_alpha, raw_beta, dtype="float64"):
    step = fb.Radial(dtype=dtype)
    step.build((None, len(center)))
    for weight, value in zip(step.weights, (center, raw_alpha, raw_beta), strict=True):
        weight.assign(value)
    return step


def test_planar_is_the_papers_where_its_constraint_holds_by_itself():
    u, w, b = np.array([0.5, 0.2]), np.array([1.0, -2.0]), 0.3
    step = planar(u, w, b)
    u_hat = step._constrained(None)[0][0].numpy()
    # u moves along w only, to w.u_hat = m(w.u).
    np.testing.assert_allclose((u_hat - u) @ [2.0, 1.0], 0.0, atol=1e-12)
    m = np.log1p(np.exp(w @ u) * (np.e - 1)) - 1
    assert w @ u_hat == pytest.approx((1 - 1e-4) * m)
    z = np.random.default_rng(0).normal(size=(6, 2))
    x, log_det = step.forward_and_log_det(z)
    h = np.tanh(z @ w + b)
    np.testing.assert_allclose(x, z + u_hat * h[:, None])
    np.testing.assert_allclose(log_det, np.log1p((1 - h**2) * (w @ u_hat)))


def test_steps_start_as_the_identity():
    z = np.random.default_rng(0).normal(size=(6, 4))
    context = np.random.default_rng(1).normal(size=(6, 3))
    for make in (
        fb.Planar,
        fb.Radial,
        fb.HouseholderSylvester,
        fb.TriangularSylvester,
        lambda **kwargs: fb.OrthogonalSylvester(2, **kwargs),
    ):
        for size in (None, 3):
            step = make(context_dim=size, dtype="float64")
            x, log_det = step.forward_and_log_det(z, context if size else None)
            np.testing.assert_allclose(x, z, atol=1e-12)
            np.testing.assert_allclose(log_det, 0.0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 4, 64])
def test_a_step_of_the_head_moves_the_parameters_alike_for_every_context(size):
    """By the step's size times the root of the context's size, not times the size."""
    step = fb.Planar(context_dim=size, dtype="float64")
    step.build((None, 2))
    kernel = step.trainable_weights[0]
    assert kernel.shape == (size, 2)  # u's head, which starts at zero
    kernel.assign(np.full((size, 2), 1e-3))
    u = step._parameter_values(np.ones((1, size)))["u"]
    np.testing.assert_allclose(u, [[1e-3 * np.sqrt(size)] * 2])


@pytest.mark.parametrize("activation", ["tanh", "softplus", "relu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_planar_is_invertible_for_all_parameters(activation, dtype):
    rng = np.random.default_rng(0)
    for u_size in SIZES:
        for w_size in SIZES:
            u, w = u_size * rng.normal(size=3), w_size * rng.normal(size=3)
            step = planar(u, w, rng.normal(), activation, dtype)
            u_hat, _, _, stretch = step._constrained(None)
            assert np.isfinite(u_hat).all()
            assert stretch[0] > -1
            # No blow-up: u_hat is u but for a part of at most 1 + 1 / ||w||.
            moved = np.linalg.norm(u_hat[0] - u)
            assert moved <= 1.001 * max(np.linalg.norm(u), 1 / np.linalg.norm(w))
            log_det = step.forward_log_det_jacobian(rng.normal(size=(50, 3)))
            assert np.isfinite(log_det).all()


@pytest.mark.parametrize("activation", ["tanh", "softplus", "relu", "softsign"])
def test_planar_inverse_to_a_residual_of_1e_6(activation):
    rng = np.random.default_rng(1)
    for u_size in SIZES[1:]:
        for w_size in SIZES[1:-1]:
            u, w = u_size * rng.normal(size=3), w_size * rng.normal(size=3)
            step = planar(u, w, rng.normal(), activation)
            for size in (1.0, 100.0):
                x = size * rng.normal(size=(200, 3))
                z = tf.identity(step.inverse(x))
                # An unbounded h takes z so far out that the sum loses digits.
                lost = 1e-11 * np.abs(z).max()
                np.testing.assert_allclose(step.forward(z), x, atol=1e-6 + lost, rtol=0)


def test_planar_at_w_zero_moves_everything_alike():
    step = planar([1.0, 2.0], [0.0, 0.0], 0.5)
    z = np.zeros((2, 2))
    with tf.GradientTape() as tape:
        x, log_det = step.forward_and_log_det(z)
    np.testing.assert_allclose(x, np.tanh(0.5) * np.array([[1.0, 2.0]] * 2))
    np.testing.assert_allclose(log_det, 0.0)
    gradients = tape.gradient(x, [v.value for v in step.trainable_variables])
    assert all(np.isfinite(g).all() for g in gradients if g is not None)


def test_gradients_stay_finite_where_w_is_tiny():
    rng = np.random.default_rng(0)
    u, direction, z = rng.normal(size=3), rng.normal(size=3), rng.normal(size=(4, 3))
    for size in (1e-30, 1e-20, 1e-13, 1e-6):
        step = planar(u, size * direction, dtype="float32")
        with tf.GradientTape() as tape:
            x, log_det = step.forward_and_log_det(z)
            total = tf.reduce_sum(x) + tf.reduce_sum(log_det)
        gradients = tape.gradient(total, [v.value for v in step.trainable_variables])
        assert all(np.isfinite(gradient).all() for gradient in gradients), size


@pytest.mark.parametrize("context_dim", [None, 2])
@pytest.mark.parametrize("make", [fb.Planar, fb.Radial])
def test_gradients_of_the_inverse_are_those_of_differences(make, context_dim):
    """With respect to the weights, the data and the context."""
    step = make(context_dim=context_dim, dtype="float64")
    step.build((None, 3))
    randomize(step, 0.7)
    rng = np.random.default_rng(0)
    x, context = [tf.Variable(rng.normal(size=(4, size))) for size in (3, 2)]
    weights = [weight.value for weight in step.trainable_variables]
    variables = [*weights, x, *([context] if context_dim else [])]

    def total():
        z, log_det = step.inverse_and_log_det(x, context if context_dim else None)
        return tf.reduce_sum(tf.sin(z)) + tf.reduce_sum(log_det)

    with tf.GradientTape() as tape:
        value = total()
    gradients = tape.gradient(value, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        start, way = variable.numpy(), rng.normal(size=variable.shape)
        ends = []
        for size in (1e-5, -1e-5):
            variable.assign(start + size * way)
            ends.append(float(total()))
        variable.assign(start)
        slope = np.sum(gradient * way)
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-8)


def test_roots_where_newton_alone_would_leave_or_cycle():
    target = tf.constant(np.linspace(-3.0, 3.0, 101))

    def steep_and_flat(a):
        return tf.tanh(50.0 * a) + 1e-3 * a, 50.0 / tf.cosh(50.0 * a) ** 2 + 1e-3

    ends = tf.fill([101], tf.constant(5000.0, tf.float64))
    root = increasing_root(steep_and_flat, target, [], -ends, ends)
    np.testing.assert_allclose(steep_and_flat(root)[0], target, atol=1e-12)


@pytest.mark.parametrize(
    "activation",
    ["gelu", "exponential", lambda a: -a, lambda a: tf.tanh(1.001 * a)],
)
def test_steeper_or_falling_activations_are_refused(activation):
    with pytest.raises(ValueError, match="expected an activation with slopes from 0"):
        fb.Planar(activation)


@pytest.mark.parametrize("activation", ["softmax", "glu", "threshold", np.tanh])
def test_what_is_no_function_of_one_element_is_refused(activation):
    with pytest.raises(ValueError, match="maps each element of a tensor"):
        fb.Planar(activation)


def test_a_constant_activation_shifts():
    step = planar([1.0, 2.0], [0.5, -1.0], activation=tf.ones_like)
    x, log_det = step.forward_and_log_det(np.zeros((2, 2)))
    np.testing.assert_allclose(x, [step._constrained(None)[0][0]] * 2)
    np.testing.assert_allclose(log_det, 0.0)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_radial_log_det_and_inverse_for_all_parameters(size):
    rng = np.random.default_rng(size)
    z = 2 * rng.normal(size=(20, size))
    for raw_alpha in (-30.0, -1.0, 0.0, 30.0):
        for raw_beta in (-30.0, -1.0, 0.5, 30.0):
            step = radial(rng.normal(size=size), raw_alpha, raw_beta)
            x, log_det = step.forward_and_log_det(z)
            wanted = autodiff_log_det(step.forward, z)
            np.testing.assert_allclose(log_det, wanted, atol=1e-7)
            back = step.forward(tf.identity(step.inverse(z)))
            np.testing.assert_allclose(back, z, atol=1e-6, rtol=0)
            np.testing.assert_allclose(step.inverse(x), z, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_planar_steps_at_once_are_the_steps_in_turn(activation):
    step = fb.Planar(activation, dtype="float64")
    repeated = fb.Repeated(step, 5)
    repeated.build((None, 4))
    randomize(repeated, 0.7)
    z = tf.constant(np.random.default_rng(0).normal(size=(7, 4)))
    weights = [weight.value for weight in repeated.trainable_weights]

    def values_and_gradients(run):
        with tf.GradientTape() as tape:
            tape.watch(z)
            x, log_det = run(z)
            total = tf.reduce_sum(x**2) + tf.reduce_sum(tf.sin(log_det))
        return x, log_det, *tape.gradient(total, [z, *weights])

    at_once = values_and_gradients(repeated.forward_and_log_det)
    in_turn = values_and_gradients(lambda z: repeated.one_by_one(z, None, "forward"))
    for one, other in zip(at_once, in_turn, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_a_subclass_of_planar_is_repeated_by_its_own_passes():
    class Moving(fb.Planar):
        def _constrained(self, context):
            u_hat, w, b, stretch = super()._constrained(context)
            return u_hat, w, b + 1.0, stretch

    repeated = fb.Repeated(Moving(dtype="float64"), 3)
    repeated.build((None, 4))
    randomize(repeated, 0.7)
    z = np.random.default_rng(0).normal(size=(7, 4))
    back = repeated.inverse(tf.identity(repeated.forward(z)))
    np.testing.assert_allclose(back, z, atol=1e-8)


def test_radial_at_its_center():
    step = radial([1.0, 2.0], 0.0, 1.0)
    center = tf.constant([[1.0, 2.0]], tf.float64)
    for run in (step.forward, step.inverse):
        with tf.GradientTape() as tape:
            tape.watch(center)
            value = run(center)
        np.testing.assert_allclose(value, center)
        assert np.isfinite(tape.gradient(value, center)).all()


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="vectors, got shape"):
        fb.Planar().build((None, 2, 2, 1))
    with pytest.raises(ValueError, match="context_dim >= 1"):
        fb.Radial(context_dim=0)
    step = fb.Planar(context_dim=3)
    for context in (None, np.ones((2, 4), "float32")):
        with pytest.raises(ValueError, match=r"expected a context of shape \(None, 3"):
            step.forward(np.ones((2, 2)), context)
