"""Potentials: the table of the paper, normalizers by another quadrature."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate

from tfflows.data.potentials import POTENTIALS, U1, U2, U3, U4


def test_energies_at_points_worked_out_by_hand():
    z = np.array([[2.0, 0.0], [0.0, 2.0]])
    # On the ring: -ln(1 + e^(-(4/0.6)^2 / 2)), and at its top -ln 2 + (2/0.6)^2 / 2.
    wanted = [
        -np.log1p(np.exp(-0.5 * (4 / 0.6) ** 2)),
        0.5 * (2 / 0.6) ** 2 - np.log(2),
    ]
    np.testing.assert_allclose(U1.energy(z), wanted, atol=1e-9)
    # w_1(1) = 1, w_2(1) = 3, w_3(1) = 1.5.
    z = np.array([[1.0, 1.4]])
    np.testing.assert_allclose(U2.energy(z), [0.5])
    far = np.exp(-0.5 * (3.4 / 0.35) ** 2)
    np.testing.assert_allclose(
        U3.energy(z), [-np.log(np.exp(-0.5 * (0.4 / 0.35) ** 2) + far)]
    )
    far = np.exp(-0.5 * (1.9 / 0.35) ** 2)
    np.testing.assert_allclose(U4.energy(z), [-np.log(np.exp(-0.5) + far)])


@pytest.mark.parametrize("name", ["U2", "U3", "U4"])
def test_the_box_penalty(name):
    potential = POTENTIALS[name]
    inside, outside = np.array([[4.0, 0.3]]), np.array([[4.2, 0.3]])
    boxless = potential._energy(outside[..., 0], outside[..., 1])
    np.testing.assert_allclose(potential.energy(outside) - boxless, [0.5 * 2.0**2])
    free = potential._energy(inside[..., 0], inside[..., 1])
    np.testing.assert_allclose(potential.energy(inside), free)


def test_the_normalizer_of_u2_in_closed_form():
    """Z = 0.4 sqrt(2 pi) (8 + 0.1 sqrt(2 pi)): z_2 is Gaussian around a curve."""
    root = np.sqrt(2 * np.pi)
    wanted = np.log(0.4 * root * (8 + 0.1 * root))
    assert U2.log_normalizer == pytest.approx(wanted, abs=1e-6)


def test_the_normalizer_of_u1_by_adaptive_quadrature():
    def density(r, angle):
        z = np.array([[r * np.cos(angle), r * np.sin(angle)]])
        return r * np.exp(-U1.energy(z).numpy()[0])

    total, _ = integrate.dblquad(
        density, 0, np.pi / 2, 0.2, 3.8, epsabs=1e-3, epsrel=1e-3
    )
    assert U1.log_normalizer == pytest.approx(np.log(4 * total), abs=2e-3)


@pytest.mark.parametrize("name", POTENTIALS)
def test_gradients_are_finite_everywhere(name):
    z = tf.constant([[0.0, 0.0], [100.0, -100.0], [4.0, 1e-9]])
    with tf.GradientTape() as tape:
        tape.watch(z)
        energy = POTENTIALS[name].energy(z)
    assert np.isfinite(energy).all()
    assert np.isfinite(tape.gradient(energy, z)).all()
    np.testing.assert_array_equal(POTENTIALS[name].unnormalized_log_prob(z), -energy)


def test_other_points_are_refused():
    for z in (np.ones((3, 3)), np.ones((3, 2), int)):
        with pytest.raises(ValueError, match="expected float points of shape"):
            U1.energy(z)
