"""Sylvester steps: the bases, invertibility, the errors of what they lack."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import autodiff_log_det, randomize
from tfflows import bijectors as fb
from tfflows.bijectors.sylvester_householder import unit_vectors
from tfflows.bijectors.sylvester_orthogonal import orthonormal_columns

MAKERS = {
    "orthogonal": lambda **kwargs: fb.OrthogonalSylvester(2, **kwargs),
    "householder": lambda **kwargs: fb.HouseholderSylvester(3, **kwargs),
    "triangular": fb.TriangularSylvester,
}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
def test_the_iteration_gives_orthonormal_columns(dtype, tolerance):
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0, 1e3):
        matrix = tf.constant(size * rng.normal(size=(5, 7, 3)), dtype)
        q, error = orthonormal_columns(matrix)
        np.testing.assert_allclose(
            tf.matmul(q, q, transpose_a=True),
            np.tile(np.eye(3), (5, 1, 1)),
            atol=tolerance,
        )
        assert error < tolerance
        # The nearest one: the orthogonal factor of the polar decomposition.
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        np.testing.assert_allclose(q, left @ right, atol=30 * tolerance)


def test_columns_do_not_depend_on_those_that_share_their_batch():
    rng = np.random.default_rng(1)
    easy = rng.normal(size=(7, 3))
    hard = easy @ np.diag([1, 1e-2, 1e-4])  # takes more iterations
    alone, _ = orthonormal_columns(tf.constant(easy[None]))
    together, _ = orthonormal_columns(tf.constant(np.stack([easy, hard])))
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-13)


@pytest.mark.large
def test_rounding_of_a_thousand_columns_is_within_the_tolerance():
    matrix = np.random.default_rng(0).normal(size=(1, 1024, 1024))
    q, error = orthonormal_columns(tf.constant(matrix, tf.float32))
    assert error < 1e-5
    np.testing.assert_allclose(
        tf.matmul(q, q, transpose_a=True)[0], np.eye(1024), atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_heads_start_in_half_precision(dtype):
    for make in MAKERS.values():
        step = make(context_dim=2, dtype=dtype)
        x, log_det = step.forward_and_log_det(np.ones((2, 3)), np.ones((2, 2)))
        assert x.dtype == log_det.dtype == tf.float32


def test_dependent_columns_are_named():
    step = fb.OrthogonalSylvester(2, dtype="float64")
    step.build((None, 3))
    columns = next(w for w in step.weights if w.name == "columns")
    columns.assign(np.ones((3, 2)))
    with pytest.raises(ValueError, match="almost linearly dependent"):
        step.forward(np.ones((1, 3)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="linearly dependent"):
        tf.function(step.forward)(tf.ones((1, 3), tf.float64))


def test_reflections_are_orthogonal_for_normals_of_every_size():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(4, 6))
    for size in (0.0, 1e-200, 1.0, 1e200):
        step = fb.HouseholderSylvester(5, dtype="float64")
        step.build((None, 6))
        normals = tf.constant(size * rng.normal(size=(1, 5, 6)))
        lengths = np.linalg.norm(unit_vectors(normals), axis=-1)
        np.testing.assert_allclose(lengths, float(size > 0), rtol=1e-12)
        basis = tf.unstack(unit_vectors(normals), axis=1)
        turned = step._from_units(basis, y)
        np.testing.assert_allclose(
            np.linalg.norm(turned, axis=-1), np.linalg.norm(y, axis=-1)
        )
        np.testing.assert_allclose(step._to_units(basis, turned), y, atol=1e-12)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("size", [0.3, 5.0, 1e3])
def test_invertible_for_all_parameters(kind, size):
    """The Jacobian's determinant is positive and is the one reported."""
    step = MAKERS[kind](dtype="float64")
    step.build((None, 4))
    randomize(step, size)
    z = np.random.default_rng(0).normal(size=(8, 4))
    log_det = step.forward_log_det_jacobian(z)
    assert np.isfinite(log_det).all()
    if size < 1e3:  # where slogdet itself keeps its digits
        np.testing.assert_allclose(
            log_det, autodiff_log_det(step.forward, z), atol=1e-6
        )
    single = MAKERS[kind]()
    single.build((None, 4))
    randomize(single, size)
    assert np.isfinite(single.forward_log_det_jacobian(z)).all()


def test_a_sylvester_step_of_one_unit_is_a_planar_one():
    """M = 1: x = z + q r tanh(s q.z + b)."""
    step = fb.OrthogonalSylvester(1, dtype="float64")
    step.build((None, 3))
    randomize(step)
    named = {w.name: w.numpy() for w in step.weights}
    r, s = [0.999 * np.tanh(named[name]) for name in ("r_diagonal", "s_diagonal")]
    q = named["columns"] / np.linalg.norm(named["columns"])
    z = np.random.default_rng(0).normal(size=(5, 3))
    h = np.tanh(s * (z @ q) + named["b"])
    x, log_det = step.forward_and_log_det(z)
    np.testing.assert_allclose(x, z + r * h * q.T, atol=1e-9)
    np.testing.assert_allclose(log_det, np.log1p((1 - h**2) * r * s)[:, 0], atol=1e-9)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_inverse_names_the_way_out(kind):
    step = MAKERS[kind]()
    x = np.ones((2, 3), "float32")
    with pytest.raises(tfflows.InverseNotAvailable, match="reverse KL"):
        step.inverse(x)
    assert not fb.Chain([step]).has_inverse
    flow = tfflows.Flow(MAKERS[kind](), (3,))
    flow.compile("sgd")
    with pytest.raises(tfflows.InverseNotAvailable, match="wrap it in Invert"):
        flow.fit(x, verbose=0)  # traced: TensorFlow raises the error again
    density = tfflows.Flow(fb.Invert(MAKERS[kind]()), (3,))
    assert np.isfinite(density.log_prob(x)).all()


def test_more_columns_than_elements_are_refused():
    with pytest.raises(ValueError, match="at most 3 columns"):
        fb.OrthogonalSylvester(4).build((None, 3))
    with pytest.raises(ValueError, match="num_columns >= 1"):
        fb.OrthogonalSylvester(0)
    with pytest.raises(ValueError, match="num_reflections >= 1"):
        fb.HouseholderSylvester(0)
    with pytest.raises(NotImplementedError, match="use OrthogonalSylvester, House"):
        fb.Sylvester().forward(np.ones((2, 3)))
