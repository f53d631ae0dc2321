"""`Flow`: densities, sampling, training, saving."""

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
from tfflows import networks


def small(dtype=None, event=2, **kwargs):
    flow = tfflows.models.realnvp(
        (event,), num_couplings=2, hidden_units=(8,), dtype=dtype, **kwargs
    )
    randomize(flow)
    return flow


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(64, 2)) * [1.0, 3.0] + [2.0, -1.0]).astype("float32")


@pytest.fixture(scope="module")
def trained(rows):
    flow = tfflows.models.realnvp((2,), num_couplings=2, hidden_units=(8,))
    flow.initialize(rows)
    flow.compile(keras.optimizers.Adam(1e-2))
    history = flow.fit(rows, batch_size=16, epochs=3, verbose=0)
    return flow, history.history


def test_a_density_integrates_to_one():
    flow = small("float64")
    edges = np.linspace(-16.0, 16.0, 401)
    grid = np.stack(np.meshgrid(edges, edges), axis=-1).reshape(-1, 2)
    total = np.exp(flow.log_prob(grid)).sum() * (edges[1] - edges[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


def test_a_linear_flow_is_its_gaussian():
    loc, scale = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    flow = tfflows.Flow(
        tfb.Chain([tfb.Shift(loc), tfb.Scale(scale)]), (2,), dtype="float64"
    )
    x = np.random.default_rng(0).normal(size=(5, 2))
    wanted = tfd.MultivariateNormalDiag(loc, scale).log_prob(x)
    np.testing.assert_allclose(flow.log_prob(x), wanted)


def test_a_call_predict_and_the_distribution_are_log_prob(trained, rows):
    flow, _ = trained
    wanted = flow.log_prob(rows)
    assert wanted.shape == (64,)
    np.testing.assert_array_equal(flow(rows), wanted)
    np.testing.assert_allclose(flow.predict(rows, verbose=0), wanted, rtol=1e-5)
    np.testing.assert_allclose(flow.distribution.log_prob(rows), wanted, rtol=1e-5)
    assert flow.log_prob(rows.reshape(4, 16, 2)).shape == (4, 16)
    assert flow.log_prob(rows[0]).shape == ()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-9)])
def test_encode_and_decode_are_inverses(dtype, tolerance):
    flow = small(dtype)
    x = np.random.default_rng(0).normal(size=(7, 2))
    z = flow.encode(x)
    assert z.shape == (7, 2)
    np.testing.assert_allclose(flow.decode(z), x, atol=tolerance)
    np.testing.assert_allclose(flow.encode(flow.decode(z)), z, atol=tolerance)
    log_det = flow.encode_and_log_det(x)[1]
    base = flow.base.distribution.log_prob(z)
    np.testing.assert_allclose(base + log_det, flow.log_prob(x), rtol=1e-5)


def test_samples_follow_the_density():
    flow = small("float64")
    x, log_prob = flow.sample_and_log_prob(20_000, seed=1)
    np.testing.assert_allclose(log_prob, flow.log_prob(x), rtol=1e-6)
    # E over samples of q(x)/p(x) is 1 for any density q.
    q = tfd.MultivariateNormalDiag(
        tf.reduce_mean(x, 0), 0.7 * tf.math.reduce_std(x, 0)
    ).log_prob(x)
    assert np.exp(q - log_prob).mean() == pytest.approx(1.0, abs=0.05)


def test_seeds():
    flow = small()
    first = flow.sample(5, seed=7)
    np.testing.assert_array_equal(flow.sample(5, seed=7), first)
    np.testing.assert_array_equal(flow.sample(2, seed=7), first[:2])
    np.testing.assert_allclose(flow.sample(5, seed=[0, 7]), first)
    assert np.any(flow.sample(5, seed=8) != first)
    assert np.any(flow.sample(5) != flow.sample(5))
    assert flow.sample(0, seed=1).shape == (0, 2)
    for seed in (1.5, "a", [1, 2, 3], True):
        with pytest.raises(ValueError, match="expected a seed"):
            flow.sample(2, seed=seed)


def test_temperature_scales_the_base_draw_and_not_the_density():
    flow = small("float64")
    cold, log_prob = flow.sample_and_log_prob(4, seed=3, temperature=0.0)
    np.testing.assert_allclose(cold, np.repeat(cold[:1], 4, axis=0))
    np.testing.assert_allclose(cold[:1], flow.decode(np.zeros((1, 2))))
    np.testing.assert_allclose(log_prob, flow.log_prob(cold))
    half = flow.encode(flow.sample(4, seed=3, temperature=0.5))
    np.testing.assert_allclose(half, 0.5 * flow.encode(flow.sample(4, seed=3)))
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="temperature >= 0"):
            flow.sample(2, temperature=bad)
    with pytest.raises(ValueError, match="num_samples >= 0"):
        flow.sample(-1)
    with pytest.raises(ValueError, match="one integer"):
        flow.sample(2.5)


@pytest.mark.parametrize(
    "base",
    [
        tfd.MultivariateNormalDiag([5.0, 5.0], [2.0, 1.0]),
        tfd.Independent(tfd.StudentT(5.0, tf.zeros(2), 1.0), 1),
        tfflows.distributions.StandardLogistic(2),
    ],
)
def test_any_distribution_is_a_base(base, tmp_path):
    flow = tfflows.Flow(fb.Scale(), (2,), base=base)
    x, log_prob = flow.sample_and_log_prob(4, seed=1)
    np.testing.assert_allclose(log_prob, base.log_prob(x), rtol=1e-5)
    location = flow.sample(1, seed=1, temperature=0.0)
    np.testing.assert_allclose(location, [base.mean()], atol=1e-6)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(loaded.log_prob(x), flow.log_prob(x), rtol=1e-6)


def test_a_base_with_variables_is_trained():
    base = tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]), [1.0, 1.0])
    flow = tfflows.Flow(tfb.Shift([1.0, 1.0]), (2,), base=base)
    assert len(flow.trainable_variables) == 1
    flow.compile(keras.optimizers.SGD(0.5))
    flow.fit(np.full((8, 2), 4.0, "float32"), epochs=20, verbose=0)
    np.testing.assert_allclose(base.loc, [3.0, 3.0], atol=0.1)


def test_a_base_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"event shape \(2,\), got \(3,\)"):
        tfflows.Flow(fb.Scale(), (2,), base=tfflows.distributions.StandardNormal(3))
    with pytest.raises(ValueError, match=r"wrap it in tfd\.Independent"):
        tfflows.Flow(fb.Scale(), (2,), base=tfd.Normal(tf.zeros(2), 1.0))
    with pytest.raises(ValueError, match="dtype float64"):
        tfflows.Flow(
            fb.Scale(dtype="float64"), (2,), tfflows.distributions.StandardNormal(2)
        )
    with pytest.raises(ValueError, match=r"expected a tfd\.Distribution"):
        tfflows.Flow(fb.Scale(), (2,), base="normal")


def test_latents_are_flat_whatever_the_event():
    flow = tfflows.Flow(fb.Scale(), (2, 3, 1))
    x = np.ones((4, 2, 3, 1), "float32")
    assert flow.latent_dim == 6
    assert flow.encode(x).shape == (4, 6)
    assert flow.decode(flow.encode(x)).shape == x.shape
    base = tfd.Independent(tfd.Normal(tf.zeros((2, 3, 1)), 1.0), 3)
    shaped = tfflows.Flow(fb.Scale(), (2, 3, 1), base=base)
    np.testing.assert_allclose(shaped.encode(x), flow.encode(x))
    np.testing.assert_allclose(shaped.log_prob(x), flow.log_prob(x))
    assert shaped.sample(2, seed=0).shape == (2, 2, 3, 1)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((3, 1)), r"shape \(batch, 2\), got \(3, 1\)"),
        (np.ones((2, 3)), r"got \(2, 3\)"),
        (np.float32(1.0), r"got \(\)"),
        ([[np.nan, 1.0]], "expected finite data"),
        ([[np.inf, 1.0]], "expected finite data"),
        ([["a", "b"]], "real numbers|numeric"),
    ],
)
def test_data_that_break_the_rules_are_named(x, message):
    flow = small()
    for method in (flow.log_prob, flow.encode, flow, flow.initialize):
        with pytest.raises(ValueError, match=message):
            method(np.asarray(x))


def test_latents_of_another_size_are_named():
    with pytest.raises(ValueError, match=r"shape \(batch, 2\), got \(4, 1\)"):
        small().decode(np.zeros((4, 1)))


def test_as_part_of_a_functional_model(rows):
    flow = small()
    inputs = keras.Input((2,))
    features = keras.layers.Dense(2)(inputs)
    model = keras.Model(inputs, flow(features))
    model.compile("sgd", loss=lambda _, log_prob: -log_prob)
    history = model.fit(rows, np.zeros(64), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(history).all()


def test_files_weights_checkpoints_and_clones(trained, rows, tmp_path):
    flow, _ = trained
    wanted = flow.log_prob(rows)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert loaded.is_initialized
    assert loaded.optimizer.learning_rate == flow.optimizer.learning_rate
    np.testing.assert_array_equal(loaded.log_prob(rows), wanted)
    loaded.fit(rows, verbose=0)

    clone = keras.models.clone_model(flow)
    assert not clone.is_initialized
    flow.save_weights(tmp_path / "flow.weights.h5")
    clone.load_weights(tmp_path / "flow.weights.h5")
    np.testing.assert_array_equal(clone.log_prob(rows), wanted)
    assert clone.is_initialized

    fresh = keras.models.clone_model(flow)
    path = tf.train.Checkpoint(model=flow).write(str(tmp_path / "checkpoint"))
    status = tf.train.Checkpoint(model=fresh).read(path)
    status.assert_existing_objects_matched().expect_partial()
    np.testing.assert_array_equal(fresh.log_prob(rows), wanted)


def test_a_foreign_weight_file_changes_nothing(tmp_path):
    flow, other = small(event=3), small()
    flow.save_weights(tmp_path / "other.weights.h5")
    before = other.get_weights()
    with pytest.raises(ValueError, match="could not be loaded"):
        other.load_weights(tmp_path / "other.weights.h5")
    for weight, start in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, start)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfflows.Flow(fb.Scale(), ()), "event_shape of sizes >= 1"),
        (lambda: tfflows.Flow(fb.Scale(event_ndims=2), (4,)), "with 2 event axes"),
        (
            lambda: tfflows.Flow(
                fb.AffineCoupling(networks.MLP((4,)), "checkerboard"), (4,)
            ),
            "with 3 event axes",
        ),
        (lambda: tfflows.Flow(fb.Scale(), (2,), dtype="float64"), "dtype float64"),
        (lambda: tfflows.Flow(fb.Scale(), (2,), backprop="no"), "got 'no'"),
        (lambda: small().sample(None), "one integer, got None"),
        (lambda: small().sample(2, temperature=[1.0, 2.0, 3.0]), r"got shape \(3,\)"),
        (
            lambda: small().sample(2, temperature="a"),
            "temperature: expected real numbers",
        ),
        (
            lambda: small().sample_rows_and_log_prob([1, 2, 3], [1.0]),
            r"seeds \[N, 2\], got shape \(3,\)",
        ),
    ],
)
def test_arguments_that_are_none_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
