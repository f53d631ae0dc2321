"""`FlowMatching`: its loss, its pairs, and a `Flow` in all else."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tfflows import networks
from tfflows.fitting.transport import drawn_partners, transport_plan


def mlp(units=16, **kwargs):
    return networks.MLP((units, units), activation="swish", **kwargs)


@pytest.fixture(scope="module")
def trained():
    """A flow of points around (2, -1), with deviations 0.5 and 1."""
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal([2, -1], [0.5, 1], (2048, 2))
    data = data.astype("float32")
    model = tfflows.FlowMatching(mlp(32), (2,), num_steps=12)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(
        data, batch_size=256, epochs=25, validation_data=data[:512], verbose=0
    )
    return model, data, history.history


def test_it_learns_a_density_without_solving_its_equation(trained):
    model, data, history = trained
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_loss"][-1] == pytest.approx(history["loss"][-1], rel=0.3)
    entropy = np.log(2 * np.pi * np.e * 0.5)
    nll = model.evaluate(data, verbose=0)
    assert nll == pytest.approx(-np.mean(model.log_prob(data)), abs=1e-3)
    assert entropy - 0.05 < nll < entropy + 0.1


def test_its_density_integrates_to_one(trained):
    model = trained[0]
    x, y = np.linspace(-1, 5, 81), np.linspace(-7, 5, 81)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    total = np.sum(np.exp(model.log_prob(grid))) * (x[1] - x[0]) * (y[1] - y[0])
    assert total == pytest.approx(1.0, abs=1e-3)


def test_it_samples_encodes_and_decodes_as_a_flow(trained):
    model = trained[0]
    x, log_prob = model.sample_and_log_prob(50, seed=1)
    tolerance = model.bijector.tolerance
    np.testing.assert_allclose(model.log_prob(x), log_prob, atol=tolerance)
    np.testing.assert_allclose(model.decode(model.encode(x)), x, atol=tolerance)
    assert tfflows.models.solver_error(model, x).mean < tolerance


def test_its_file_brings_the_same_model(trained, tmp_path):
    model, data, _ = trained
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is tfflows.FlowMatching
    old, new = [one.get_config() for one in (model, loaded)]
    same = ("path", "method", "num_steps", "divergence", "tolerance", "seed")
    assert [new[name] for name in same] == [old[name] for name in same]
    np.testing.assert_allclose(loaded.log_prob(data[:9]), model.log_prob(data[:9]))


def test_the_loss_of_a_field_of_zeros_is_the_mean_square_of_the_path():
    model = tfflows.FlowMatching(mlp(), (2,))  # the head is zero
    x = np.zeros((4000, 2), "float32") + 3.0
    loss = model.per_example(tfflows.fitting.batch.Batch.of(x), training=True)["loss"]
    assert np.mean(loss) == pytest.approx(10.0, rel=0.05)  # E (3 - z)^2


def test_a_context_moves_the_density():
    rng = np.random.default_rng(1)
    c = rng.choice([-2.0, 2.0], (1024, 1)).astype("float32")
    x = (c + 0.3 * rng.standard_normal((1024, 2))).astype("float32")
    keras.utils.set_random_seed(1)
    model = tfflows.FlowMatching(mlp(32, context_dim=1), (2,), context_shape=1)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit({"x": x, "context": c}, batch_size=256, epochs=20, verbose=0)
    for side in (-2.0, 2.0):
        samples = model.sample(200, seed=0, context=[side])
        np.testing.assert_allclose(np.mean(samples, axis=0), side, atol=0.3)


def test_images_take_a_unet_and_integers_are_dequantized():
    model = tfflows.models.flow_matching(
        (4, 4, 1), levels=4, network="unet", width=8, num_steps=2, standardize=True
    )
    x = np.random.default_rng(0).integers(4, size=(32, 4, 4, 1))
    model.initialize(x)
    model.compile()
    assert np.isfinite(model.fit(x, verbose=0).history["loss"]).all()
    assert model.sample(3, seed=0).shape == (3, 4, 4, 1)
    assert np.isfinite(model.bits_per_dim(x[:2])).all()


def test_the_plan_has_its_marginals_and_prefers_near_pairs():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((64, 2)).astype("float32")
    x = z[::-1] + np.float32(5.0)  # the best pairs are known
    plan = transport_plan(tf.constant(x), tf.constant(z)).numpy()
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 64, rtol=1e-4)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 64, rtol=0.05)
    cost = np.sum((x[:, None] - z) ** 2, axis=-1)
    best, independent = np.mean(np.sum((x - z[::-1]) ** 2, axis=1)), np.mean(cost)
    assert np.sum(plan * cost) < best + 0.2 * (independent - best)
    partners = drawn_partners(
        tf.constant(plan), tf.constant(rng.uniform(size=64), "float32")
    )
    chosen = plan[np.arange(64), partners]
    assert (chosen > 0).all()


def test_rows_without_weight_take_no_latents():
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, 16, 2)).astype("float32")
    weight = np.r_[np.zeros(4), np.ones(12)].astype("float32")
    plan = transport_plan(tf.constant(x), tf.constant(z), tf.constant(weight)).numpy()
    assert not plan[:4].any()
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 16, rtol=1e-4)


def test_pairs_of_a_batch_train_too():
    model = tfflows.FlowMatching(mlp(), (2,), path="minibatch_ot")
    model.compile(keras.optimizers.Adam(1e-2))
    x = np.random.default_rng(0).normal(2, 1, (256, 2)).astype("float32")
    losses = model.fit(x, batch_size=64, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0] < 5.0  # independent pairs begin at 6


def test_pairs_chosen_without_regard_to_a_context_are_refused():
    with pytest.raises(ValueError, match="expected path='linear' with a context"):
        tfflows.FlowMatching(mlp(context_dim=1), (2,), "minibatch_ot", context_shape=1)
    with pytest.raises(ValueError, match="expected path 'linear' or 'minibatch_ot'"):
        tfflows.FlowMatching(mlp(), (2,), "straight")
