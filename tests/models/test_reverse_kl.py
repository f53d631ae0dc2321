"""`ReverseKL`: closed forms, fits without data, the duality of the two KLs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.data.potentials import POTENTIALS, U1

TARGET = tfd.MultivariateNormalDiag([1.0, -2.0], [0.5, 2.0])


@keras.saving.register_keras_serializable("tests")
def log_target(x):
    """A Gaussian times e^3: log Z = 3."""
    return TARGET.log_prob(x) + 3.0


def affine():
    return tfflows.Flow(fb.Chain([fb.ActNorm()]), (2,))


def started(flow):
    flow.initialize(np.random.default_rng(0).normal(size=(64, 2)))
    return flow


def test_a_gaussian_flow_finds_a_gaussian_and_its_normalizer():
    model = tfflows.ReverseKL(started(affine()), log_target)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 300))
    )
    history = model.fit(steps_per_epoch=100, epochs=3, batch_size=128, verbose=0)
    assert list(history.history) == ["loss", "skipped_steps"]
    # The exact q has no variance left in log q - target.
    assert float(model.free_energy(1000, seed=0)) == pytest.approx(-3.0, abs=0.01)
    assert float(model.log_normalizer(1000, seed=0)) == pytest.approx(3.0, abs=0.01)
    assert float(model.effective_sample_size(1000, seed=0)) > 980


def test_free_energy_is_the_kl_in_closed_form():
    q = tfflows.Flow(tfb.Chain([tfb.Shift([0.5, 0.0]), tfb.Scale([1.0, 1.5])]), (2,))
    model = tfflows.ReverseKL(q, log_target)
    kl = tfd.MultivariateNormalDiag([0.5, 0.0], [1.0, 1.5]).kl_divergence(TARGET)
    got = model.free_energy(50_000, seed=1)
    assert float(got) == pytest.approx(float(kl) - 3.0, abs=0.05)
    assert float(got) == float(model.free_energy(50_000, seed=1))
    assert 1 < float(model.effective_sample_size(1000, seed=1)) < 900


def test_flows_without_an_inverse_are_fitted():
    steps = [fb.TriangularSylvester(), fb.TriangularSylvester(reverse=True)]
    flow = tfflows.Flow(fb.Chain([*steps, fb.Scale()]), (2,))
    model = tfflows.ReverseKL(flow, U1.unnormalized_log_prob)
    before = float(model.free_energy(2000, seed=0))
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(steps_per_epoch=150, batch_size=64, verbose=0)
    assert float(model.free_energy(2000, seed=0)) < before - 1.0
    with pytest.raises(tfflows.InverseNotAvailable):
        flow.log_prob(np.ones((1, 2)))


def test_planar_steps_come_nearer_than_one_of_them_can():
    keras.utils.set_random_seed(0)
    flow = tfflows.Flow(fb.Chain([fb.Planar() for _ in range(4)]), (2,))
    model = tfflows.ReverseKL(flow, U1.unnormalized_log_prob)
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(steps_per_epoch=300, batch_size=64, verbose=0)
    kl = float(model.free_energy(2000, seed=0)) + U1.log_normalizer
    assert -0.05 < kl < 0.8  # one step ends at 0.90: docs/results/variational.md


@pytest.mark.large
def test_32_planar_steps_fit_u1_within_a_tenth_of_a_nat():
    keras.utils.set_random_seed(0)
    flow = tfflows.Flow(fb.Chain([fb.Planar() for _ in range(32)]), (2,))
    model = tfflows.ReverseKL(flow, U1.unnormalized_log_prob, annealing_steps=1000)
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 2000)
    model.compile(keras.optimizers.Adam(schedule), jit_compile=True)
    model.fit(steps_per_epoch=2000, batch_size=256, verbose=0)
    kl = float(model.free_energy(20_000, seed=1)) + U1.log_normalizer
    assert kl <= 0.10


def test_the_duality_of_forward_and_reverse_kl():
    """KL(data || model) = KL(pushed-back data || base), each by its own densities.

    The data are a Gaussian; an affine inverse pushes them back to another Gaussian,
    whose KL to the base TFP knows in closed form.
    """
    flow = started(affine())
    randomize(flow)
    x = TARGET.sample(50_000, seed=1)
    forward = float(tf.reduce_mean(TARGET.log_prob(x) - flow.log_prob(x)))
    shift, log_scale = flow.bijector.steps[0].shift, flow.bijector.steps[0].log_scale
    pushed = tfd.MultivariateNormalDiag(
        (TARGET.mean() - shift) * tf.exp(-log_scale),
        TARGET.stddev() * tf.exp(-log_scale),
    )
    base = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    wanted = float(pushed.kl_divergence(base))
    assert forward == pytest.approx(wanted, abs=0.05)


def test_the_duality_holds_for_a_planar_flow():
    """With data that are the flow's image of a known density p_z: no Gaussian left."""
    step = fb.Planar(dtype="float64")
    flow = tfflows.Flow(step, (2,))
    randomize(flow, 1.0)
    p_z = tfd.MultivariateNormalDiag(np.array([0.5, -0.5]), np.array([0.8, 1.3]))
    data = tfd.TransformedDistribution(p_z, step)
    x = data.sample(2000, seed=1)
    gaps = data.log_prob(x) - flow.log_prob(x)
    z = flow.encode(x)
    pulled = p_z.log_prob(z) - flow.base.distribution.log_prob(z)
    np.testing.assert_allclose(gaps, pulled, atol=1e-8)


def test_noise_is_keyed_by_the_step_and_training_repeats():
    losses = []
    for _ in range(2):
        flow = affine()
        started(flow)
        model = tfflows.ReverseKL(flow, log_target, seed=3)
        model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
        history = model.fit(steps_per_epoch=2, epochs=2, batch_size=8, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[0][1]


def test_steps_that_share_an_update_draw_different_noise():
    model = tfflows.ReverseKL(started(affine()), log_target)
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    model.compile(optimizer, run_eagerly=True)
    history = model.fit(steps_per_epoch=1, epochs=2, batch_size=8, verbose=0)
    assert len(set(history.history["loss"])) == 2


def test_annealing_weighs_the_target_in_training_only():
    model = tfflows.ReverseKL(started(affine()), log_target, annealing_steps=1000)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    (loss,) = model.fit(steps_per_epoch=1, batch_size=4096, verbose=0).history["loss"]
    energy = float(model.free_energy(4096, seed=0))
    assert loss < energy / 10  # log q alone is about -3, and the target -10


def test_files_and_errors(tmp_path):
    model = tfflows.ReverseKL(started(affine()), log_target, seed=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.free_energy(8, seed=1)) == float(model.free_energy(8, seed=1))
    model = tfflows.ReverseKL(started(affine()), U1.unnormalized_log_prob)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.target_log_prob is U1.unnormalized_log_prob
    with pytest.raises(ValueError, match=r"registered with keras\.saving, got <bound"):
        tfflows.ReverseKL(affine(), TARGET.log_prob).save(tmp_path / "lost.keras")
    assert not (tmp_path / "lost.keras").exists()
    fresh = tfflows.ReverseKL(affine(), log_target)
    fresh.compile("adam")
    with pytest.raises(ValueError, match=r"call .*initialize"):
        fresh.fit(verbose=0)
    model.compile("adam")
    with pytest.raises(ValueError, match="batch_size >= 1"):
        model.fit(batch_size=0)
    for number in (0, 2.5):
        with pytest.raises(ValueError, match="num_samples >= 1"):
            model.free_energy(number)
    with pytest.raises(ValueError, match="expected data, got none"):
        model.evaluate()
    undefined = tfflows.ReverseKL(started(affine()), lambda x: x[:, 0] * np.nan)
    undefined.compile("sgd")
    for use in (undefined.fit, lambda: undefined.free_energy(4)):
        with pytest.raises(ValueError, match="return numbers, got NaN"):
            use()
    with pytest.raises(ValueError, match=r"expected a tfflows\.Flow on continuous"):
        tfflows.ReverseKL(fb.Planar(), log_target)
    with pytest.raises(ValueError, match="to be a function"):
        tfflows.ReverseKL(affine(), TARGET)
    with pytest.raises(ValueError, match=r"to return shape \(8,\).*got \(8, 2\)"):
        tfflows.ReverseKL(started(affine()), lambda x: x).free_energy(8)


def test_all_potentials_are_there():
    assert list(POTENTIALS) == ["U1", "U2", "U3", "U4"]


def test_a_target_without_mass_where_the_flow_has_some_is_named():
    def half(x):
        return tf.where(x[:, 0] > 5.0, -tf.reduce_sum(x**2, axis=-1), -np.inf)

    model = tfflows.ReverseKL(tfflows.Flow(fb.Scale(), (2,)), half)
    model.compile("adam")
    message = r"finite where the flow puts mass.* at x = -?\d\.\d+ -?\d\.\d+$"
    with pytest.raises(ValueError, match=message):
        model.fit(steps_per_epoch=1, batch_size=4, verbose=0)
    assert np.isposinf(model.free_energy(4, seed=0))
    assert model.get_weights()[0] == pytest.approx(0.0)
