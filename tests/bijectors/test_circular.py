"""Angles beyond the contract: the seam, the period, and flows of such steps."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.backend.angles import half_period, wrapped
from tfflows.bijectors.circular_spline import CircularSplineLaw
from tfflows.distributions import Base, UniformTorus
from tfflows.models import nsf

PI = float(np.pi)
TINY = {"num_steps": 2, "hidden_units": (8,), "network": "mlp", "num_bins": 3}


def step_of(kind, **kwargs):
    """A built step in float64, away from its start."""
    options = {"circular": (True, False), "num_bins": 5, "dtype": "float64", **kwargs}
    if kind == "coupling":
        network = networks.MLP((8,), activation="tanh", dtype="float64")
        step = fb.CircularSplineCoupling(network, reverse=True, **options)
    else:
        network = networks.MADE((9,), activation="tanh", dtype="float64")
        step = fb.CircularSplineAutoregressive(network, **options)
    step.build((None, 2))
    randomize(step, size=0.3)
    return step


def density(step, x):
    base = UniformTorus(2, step.circular, dtype="float64")
    z, log_det = step.inverse_and_log_det(x)
    return np.exp(base.log_prob(z) + log_det)


def jacobian(step, x):
    """[2, 2] for each point: dz/dx."""
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first, second = tf.unstack(step.inverse(x), axis=1)
    return np.stack([tape.gradient(z, x) for z in (first, second)], axis=1)


KINDS = ("coupling", "autoregressive")


@pytest.mark.parametrize(
    ("kind", "circular"),
    [("coupling", (True, True)), ("autoregressive", (True, False))],
)
def test_a_density_integrates_to_one(kind, circular):
    step = step_of(kind, circular=circular)
    angle = (np.arange(250) + 0.5) * PI / 125 - PI
    other = angle if circular[1] else np.linspace(-8.0, 8.0, 401)
    points = np.stack(np.meshgrid(angle, other), axis=-1).reshape(-1, 2)
    cell = (angle[1] - angle[0]) * (other[1] - other[0])
    assert density(step, points).sum() * cell == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_density_and_slopes_agree_on_both_sides_of_the_seam(kind):
    step = step_of(kind)
    real = np.tile(np.linspace(-2.0, 2.0, 9), 3)
    sides = np.repeat([-PI, PI, PI - 1e-7], 9)
    x = np.stack([sides, real], axis=1)
    left, right, beside = np.split(density(step, x), 3)
    np.testing.assert_allclose(left, right, rtol=1e-9)
    np.testing.assert_allclose(left, beside, rtol=1e-5)
    left, right, beside = np.split(jacobian(step, x), 3)
    np.testing.assert_allclose(left, right, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(left, beside, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_agree_where_a_spline_has_its_ends(kind):
    step = step_of(kind, circular=(True, True))
    end = step.forward(tf.constant([[-PI, -PI]], tf.float64)).numpy()
    x = wrapped(tf.constant(end + [[-1e-8], [1e-8]]))
    slopes = jacobian(step, x)
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-5, atol=1e-6)
    assert abs(slopes[0, 0, 0] - 1.0) > 1e-3  # the end's slope is a parameter
    assert abs(end[0, 0]) < 3.1  # and there is a rotation


def test_a_rotation_can_turn_around_while_another_angle_does():
    law = CircularSplineLaw(num_bins=3, bound=3.0)
    turn = np.linspace(-PI, PI, 33)
    params = np.zeros((33, law.num_params))
    params[:, -2], params[:, -1] = 9.0 * np.cos(turn), 9.0 * np.sin(turn)
    x = np.unwrap(law.forward(tf.zeros((33, 1), tf.float64), params)[0].numpy()[:, 0])
    assert np.all(np.diff(x) > 0)
    assert x[-1] - x[0] == pytest.approx(2.0 * PI)


def test_a_rotation_by_no_angle_has_a_gradient():
    law = CircularSplineLaw(num_bins=3, bound=3.0)
    params = tf.constant(np.eye(1, law.num_params, law.num_params - 2) * -1.0)
    with tf.GradientTape() as tape:
        tape.watch(params)
        x, _ = law.forward(tf.zeros((1, 1), tf.float64), params)
    assert np.isfinite(tape.gradient(x, params)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_outside_of_the_period_the_density_is_zero_or_that_inside(kind):
    x = np.array([[PI + 1e-6, 0.3], [-4.0, 0.3], [9.0, 9.0], [0.4, 99.0], [PI, 0.3]])
    inside = np.array([False, False, False, True, True])
    step = step_of(kind)
    with tf.GradientTape() as tape:
        z, log_det = step.inverse_and_log_det(x)
        finite = tf.reduce_sum(log_det[3:])
    np.testing.assert_array_equal(np.isneginf(log_det), ~inside)
    for gradient in tape.gradient(finite, [w.value for w in step.trainable_weights]):
        assert np.isfinite(gradient).all()
    inverted = fb.Invert(step).forward_and_log_det(x)[1]
    np.testing.assert_array_equal(np.isinf(inverted), ~inside)
    assert np.all(np.abs(step.forward([[77.0, 0.0], [-5.0, 1.0]])[:, 0]) <= PI)
    other = type(step).from_config({**step.get_config(), "wrap": True})
    other.build((None, 2))
    other.set_weights(step.get_weights())
    turned = x + [[6.0 * PI, 0.0]]
    for one, two in zip(
        other.inverse_and_log_det(x), other.inverse_and_log_det(turned), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.inverse(x)[3:], z[3:])
    assert not step.onto
    assert other.onto


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wrapped_angles_are_in_the_period_however_they_are_rounded(dtype):
    half = half_period(dtype)
    assert half < np.pi or dtype == "float64"
    near = [k * PI + d for k in range(-9, 10) for d in (-1e-7, 0.0, 1e-7, 1.0)]
    angle = tf.constant([*near, 1e4, np.float32(PI)], dtype)
    got = wrapped(angle).numpy()
    assert np.all((got >= -half) & (got < half))
    np.testing.assert_allclose(np.exp(1j * got), np.exp(1j * angle.numpy()), atol=1e-2)


def test_the_uniform_base_is_scipys_and_no_temperature_changes_its_angles():
    base = UniformTorus(3, (True, False, True), dtype="float64")
    z = np.array([[0.1, 2.0, -3.0], [-PI, 0.0, PI], [4.0, 0.0, 0.0]])
    wanted = scipy.stats.norm.logpdf(z[:, 1]) - 2.0 * np.log(2.0 * PI)
    wanted[2] = -np.inf
    np.testing.assert_allclose(base.log_prob(z), wanted)
    uniform, normal = 2.0 * np.log(2.0 * PI), scipy.stats.norm.entropy()
    np.testing.assert_allclose(base.entropy(), uniform + normal)
    seeds = tf.stack([tf.range(3000), tf.ones(3000, tf.int32)], axis=1)
    hot, cold = [
        Base(base).sample_rows(seeds, tf.fill([3000], temperature)).numpy()
        for temperature in (tf.constant(2.0, tf.float64), tf.constant(0.0, tf.float64))
    ]
    np.testing.assert_array_equal(hot[:, [0, 2]], cold[:, [0, 2]])
    np.testing.assert_array_equal(cold[:, 1], 0.0)
    law = scipy.stats.uniform(-PI, 2.0 * PI)
    assert scipy.stats.kstest(hot[:, 0], law.cdf).pvalue > 1e-3
    assert scipy.stats.kstest(hot[:, 1] / 2.0, scipy.stats.norm.cdf).pvalue > 1e-3
    assert Base(base).has_bounded_support


def test_spline_flows_of_angles_are_made_of_these_steps():
    flags = (True, False, True, False, False)
    flow = nsf((5,), circular=flags, stacked=False, **{**TINY, "num_steps": 7})
    steps = flow.bijector.steps
    assert {type(step) for step in steps} == {fb.CircularSplineCoupling}
    kept = np.zeros((6, 5), bool)  # which elements each of six masks keeps
    for k, step in enumerate(steps[:6]):
        bits = tf.constant(np.eye(5, dtype="float32"))
        changed = np.abs(step._mask.split(bits)[0].numpy()).sum(axis=1) > 0
        kept[k] = changed
    pairs = [(i, j) for i in range(5) for j in range(i)]
    assert all(np.any(kept[:, i] & ~kept[:, j]) for i, j in pairs)
    assert all(np.any(~kept[:, i] & kept[:, j]) for i, j in pairs)
    for options in ({"permutation": "shuffle"}, {"structure": "autoregressive"}):
        flow = nsf((3,), circular=(True, False, False), **TINY, **options)
        z = flow.bijector.inverse([[-PI, 0.1, 0.2], [3.0, 40.0, 50.0]])
        angles = list(flow.base.distribution.get_config()["circular"])
        assert sorted(angles) == [False, False, True]
        # Real elements far outside stay, at the place that the base has for them.
        assert np.abs(z.numpy()[1][~np.array(angles)]).min() > 39.0
    assert isinstance(nsf((2,), circular=(False, False), **TINY).base, Base)


def test_what_does_not_fit_angles_is_named():
    both = {"circular": (True, False), **TINY}
    for arguments, message in (
        ({"circular": (True,), **TINY}, "each of 2 elements, got 1"),
        ({"circular": (1, 0), **TINY}, r"a True or False .* got \(1, 0\)"),
        ({"circular": "yes", **TINY}, "got 'yes'"),
        ({**both, "support": "unit"}, "no support together with circular"),
        ({**both, "levels": 4}, "no levels together with circular"),
        ({**both, "standardize": True}, "no standardize .* scale other elements"),
        ({**both, "actnorm": True}, "no actnorm together with circular"),
        ({**both, "num_bins": 1}, "num_bins"),
        ({"wrap": True, **TINY}, "wrap with circular only"),
    ):
        with pytest.raises(ValueError, match=message):
            nsf((2,), **arguments)
    network = networks.MADE((4,), circular=(True, False))
    for make, message in (
        (
            lambda: fb.CircularSplineCoupling(networks.MLP((4,)), circular=[False]),
            "one",
        ),
        (lambda: fb.CircularSplineAutoregressive(network), "circular=True, the step's"),
        (lambda: UniformTorus(2, (False, False)), "at least one of them True"),
        (lambda: UniformTorus(2, (True,)), "each of 2 elements, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_fit_names_the_row_that_lies_outside():
    flow = nsf((2,), circular=(True, False), **TINY)
    x = np.random.default_rng(0).uniform(-3.0, 3.0, (8, 2)).astype("float32")
    x[5, 0] = 3.5
    flow.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=r"row 5 of the batch, of values 3.5"):
        flow.fit(x, batch_size=8, shuffle=False, verbose=0)
