"""`FlowVAE`: the bounds against closed forms, training, saving, errors."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import models
from tfflows.families.vae import POSTERIORS

W = np.array([[1.0, 0.5, -0.3], [0.2, -1.0, 0.8]])  # [D, event]
SCALE = 0.7


def linear_vae(posterior=None, prior=None, mean=None, log_variance=-0.5, **kwargs):
    """p(x|z) = N(z W, 0.49 I), q(z_0|x) = N(x mean, exp(log_variance) I)."""
    mean = 0.3 * W.T if mean is None else mean
    decoder = keras.layers.Dense(6, dtype="float64")
    vae = tfflows.FlowVAE(
        keras.layers.Identity(dtype="float64"),
        decoder,
        2,
        posterior,
        prior,
        likelihood="gaussian",
        event_shape=(3,),
        dtype="float64",
        **kwargs,
    )
    decoder.kernel.assign(np.concatenate([W, np.zeros((2, 3))], axis=1))
    decoder.bias.assign([0.0] * 3 + [np.log(SCALE)] * 3)
    vae._heads.mean_head.kernel.assign(mean)
    vae._heads.log_variance_head.kernel.assign(np.zeros((3, 2)))
    vae._heads.log_variance_head.bias.assign([log_variance] * 2)
    return vae


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(4, 3))


def exact_log_prob(x):
    covariance = W.T @ W + SCALE**2 * np.eye(3)
    return tfd.MultivariateNormalFullCovariance(np.zeros(3), covariance).log_prob(x)


def exact_posterior(x):
    precision = np.eye(2) + W @ W.T / SCALE**2
    return x @ W.T @ np.linalg.inv(precision) / SCALE**2, np.linalg.inv(precision)


def closed_elbo(x, mean, variance):
    """E_q log p(x|z) - KL for q = N(x mean, variance I)."""
    m = x @ mean
    spread = variance * np.sum(W**2)
    error = np.sum((x - m @ W) ** 2, axis=-1) + spread
    reconstruction = -0.5 * error / SCALE**2 - 3 * np.log(SCALE * np.sqrt(2 * np.pi))
    kl = 0.5 * np.sum(m**2, axis=-1) + (variance - 1 - np.log(variance))
    return reconstruction - kl


def mean_elbo(vae, x, draws=4000, **kwargs):
    rows = np.repeat(x, draws, axis=0)
    return tf.reduce_mean(tf.reshape(vae.elbo(rows, seed=1, **kwargs), (-1, draws)), 1)


def test_the_elbo_of_a_linear_gaussian_vae_is_its_closed_form(x):
    vae = linear_vae()
    wanted = closed_elbo(x, 0.3 * W.T, np.exp(-0.5))
    np.testing.assert_allclose(mean_elbo(vae, x), wanted, atol=0.15)
    assert np.all(wanted < exact_log_prob(x))
    half = mean_elbo(vae, x, beta=0.0) - mean_elbo(vae, x)
    m = x @ (0.3 * W.T)
    kl = 0.5 * np.sum(m**2 + np.exp(-0.5) - 1 + 0.5, axis=-1)
    np.testing.assert_allclose(half, kl, atol=1e-9)  # analytic: no noise in it


def test_the_elbo_of_the_exact_posterior_is_the_log_likelihood(x):
    """A posterior flow turns the diagonal Gaussian into the exact posterior."""
    mean, covariance = exact_posterior(np.eye(3))
    factor = tfd.MultivariateNormalFullCovariance(
        covariance_matrix=covariance
    ).scale.to_dense()
    # z = L eps + mean(x): z_0 = eps + L^-1 mean(x), and the flow is L.
    vae = linear_vae(
        fb.TFPStep(_linear(factor), dtype="float64"),
        mean=mean @ np.linalg.inv(factor).T,
        log_variance=0.0,
    )
    # No variance at all: each single draw gives log p(x).
    np.testing.assert_allclose(vae.elbo(x), exact_log_prob(x), atol=1e-9)


def _linear(factor):
    from tensorflow_probability import bijectors as tfb

    return tfb.ScaleMatvecTriL(factor)


def test_iwae_rises_to_the_log_likelihood(x):
    vae = linear_vae()
    exact = exact_log_prob(x)
    few = np.mean(np.reshape(vae.iwae(np.repeat(x, 500, axis=0), 5), (4, -1)), axis=1)
    many = vae.iwae(x, 20_000, seed=1, chunk_size=2000)
    assert np.all(mean_elbo(vae, x) < few)
    assert np.all(few < exact)
    np.testing.assert_allclose(many, exact, atol=0.02)


def test_iwae_does_not_depend_on_its_chunks_nor_on_the_batch(x):
    vae = linear_vae()
    wanted = vae.iwae(x, 10, seed=3, chunk_size=10)
    np.testing.assert_allclose(vae.iwae(x, 10, seed=3, chunk_size=3), wanted)
    np.testing.assert_allclose(vae.iwae(x[:1], 10, seed=3), wanted[:1])
    run = tf.function(lambda x: vae.iwae(x, 10, seed=3, chunk_size=3))
    np.testing.assert_allclose(run(tf.constant(x)), wanted)
    with pytest.raises(ValueError, match="num_samples >= 1"):
        vae.iwae(x, 0)
    with pytest.raises(ValueError, match="chunk_size >= 1"):
        vae.iwae(x, 5, chunk_size=2.5)


def test_iwae_holds_few_rows_at_a_time_unless_told(x, monkeypatch):
    """However many examples are in a batch: 4 x 5,000 would be 20,000 rows."""
    vae, sizes = linear_vae(), []
    decode = vae.decoder.call
    monkeypatch.setattr(
        vae.decoder, "call", lambda z: sizes.append(len(z)) or decode(z)
    )
    wanted = vae.iwae(x, 5000, seed=3)
    assert sizes == [5000] * 4
    got = vae.iwae(np.repeat(x, 2000, axis=0), 2)
    assert sizes[4:] == [8000] * 2  # more examples than that: one sample at a time
    assert got.shape == (8000,)
    again = vae.iwae(x, 5000, seed=3, chunk_size=1000)
    np.testing.assert_allclose(again, wanted)


def test_without_steps_it_is_the_plain_vae(x):
    plain = linear_vae()
    for flows in ([fb.Chain([], event_ndims=1, dtype="float64")], [None, fb.Chain([])]):
        vae = linear_vae(*flows)
        np.testing.assert_allclose(vae.elbo(x, seed=1), plain.elbo(x, seed=1))


def test_log_q_is_a_change_of_variables(x):
    """log q(z|x) of drawn z against the base's density pulled back by autodiff."""
    for step in (fb.Planar, fb.TriangularSylvester):
        chain = fb.Chain([step(context_dim=3, dtype="float64") for _ in range(2)])
        vae = linear_vae(chain)
        randomize(chain)
        features, law = vae._densities.encoded(tf.constant(x))
        seeds = vae._row_seeds(x, 5)
        z, log_q = vae._densities.q(law).draw(seeds, 1.0, features)
        z0 = law.sample_rows(seeds)
        base = tfd.MultivariateNormalDiag(law.mean, tf.exp(0.5 * law.log_variance))
        with tf.GradientTape() as tape:
            tape.watch(z0)
            again = chain.forward(z0, features)
        jacobian = tape.batch_jacobian(again, z0)
        np.testing.assert_allclose(again, z)
        wanted = base.log_prob(z0) - np.linalg.slogdet(jacobian)[1]
        np.testing.assert_allclose(log_q, wanted)


def test_a_prior_flow_changes_the_prior_alone(x):
    """Prior N(1, 4 I) by an affine flow: the KL against TFP's closed form."""
    prior = fb.Scale(dtype="float64")
    vae = linear_vae(prior=prior)
    prior.weights[0].assign([np.log(2.0)] * 2)
    q = tfd.MultivariateNormalDiag(x @ (0.3 * W.T), np.full(2, np.exp(-0.25)))
    wanted = q.kl_divergence(tfd.MultivariateNormalDiag(np.zeros(2), [2.0, 2.0]))
    rows = np.repeat(x, 4000, axis=0)
    kl = vae.elbo_rows(rows, vae._row_seeds(rows, 0))["kl"]
    np.testing.assert_allclose(np.mean(np.reshape(kl, (4, -1)), 1), wanted, atol=0.05)
    samples = vae.sample(4000, seed=0)
    assert samples.shape == (4000, 3)
    covariance = 4 * W.T @ W + SCALE**2 * np.eye(3)
    np.testing.assert_allclose(np.cov(samples, rowvar=False), covariance, atol=0.4)


def test_samples_and_temperature(x):
    vae = linear_vae()
    first = vae.sample(5, seed=7)
    np.testing.assert_array_equal(vae.sample(5, seed=7), first)
    np.testing.assert_array_equal(vae.sample(2, seed=7), first[:2])
    assert np.any(vae.sample(5) != vae.sample(5))
    seeds = np.arange(6, dtype="int32").reshape(3, 2)
    cold = vae.sample_rows(seeds, 0.0)["mean"]
    np.testing.assert_allclose(cold, vae.decode(np.zeros((3, 2))))
    with pytest.raises(ValueError, match="temperature >= 0"):
        vae.sample(2, temperature=-1.0)
    draws = vae.encode(np.repeat(x[:1], 4000, axis=0), seed=1)
    np.testing.assert_allclose(np.mean(draws, 0), x[0] @ (0.3 * W.T), atol=0.05)
    np.testing.assert_allclose(vae(x), x @ (0.3 * W.T) @ W)
    predicted = vae.predict(x, verbose=0)
    np.testing.assert_allclose(predicted, vae.reconstruct(x), atol=1e-6)


@pytest.fixture(scope="module")
def digits():
    return tfflows.data.load("static_binarized:digits")


def tiny(posterior="none", **kwargs):
    sizes = {"latent_dim": 4, "hidden_units": (16,)}
    if posterior != "none":
        sizes["num_flows"] = 2
    if posterior == "sylvester_orthogonal":
        sizes["num_columns"] = 2
    keras.utils.set_random_seed(0)
    return models.vae((8, 8, 1), posterior=posterior, **{**sizes, **kwargs})


def test_it_learns_and_comes_back_from_files(digits, tmp_path):
    vae = tiny("sylvester_orthogonal", prior="realnvp", num_prior_couplings=1)
    x = digits.arrays("train")
    vae.initialize(x[:64])
    vae.compile(keras.optimizers.Adam(3e-3))
    dataset = digits.dataset("train", 128, drop_remainder=True)
    history = vae.fit(dataset, epochs=3, verbose=0, shuffle=False).history
    figures = {"loss", "elbo", "reconstruction", "kl", "active_units"}
    assert set(history) == {*figures, "skipped_steps"}
    assert history["elbo"][-1] > history["elbo"][0] + 2.0
    np.testing.assert_allclose(
        history["elbo"],
        np.subtract(history["reconstruction"], history["kl"]),
        rtol=1e-5,
    )
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded(x[:5]), vae(x[:5]))
    np.testing.assert_array_equal(loaded.elbo(x[:5], seed=1), vae.elbo(x[:5], seed=1))
    fresh = keras.models.clone_model(vae)
    path = tf.train.Checkpoint(model=vae).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(model=fresh).read(path).expect_partial()
    np.testing.assert_array_equal(fresh(x[:5]), vae(x[:5]))


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_every_posterior_starts_as_the_plain_one(posterior, digits):
    vae = tiny(posterior)
    x = digits.arrays("test")[:8]
    terms = vae.elbo_rows(x, vae._row_seeds(x, 0))
    _, law = vae._densities.encoded(vae._checked(x))
    z = law.sample_rows(vae._row_seeds(x, 0))
    decoded = vae.likelihood.log_prob(vae._checked(x), vae._densities.params(z))
    np.testing.assert_allclose(
        terms["reconstruction"], np.sum(decoded, axis=(1, 2, 3)), rtol=1e-5
    )


def test_evaluation_reports_the_gap_and_is_deterministic(digits):
    vae = tiny(evaluation_samples=10)
    vae.compile("adam")
    dataset = digits.dataset("test", 100)
    first, second = [
        vae.evaluate(dataset, return_dict=True, verbose=0) for _ in range(2)
    ]
    assert first == second
    assert first["gap"] == pytest.approx(first["iwae"] - first["elbo"], abs=1e-3)
    assert first["gap"] > 0
    other = vae.evaluate(digits.dataset("test", 64), return_dict=True, verbose=0)
    assert other["elbo"] == pytest.approx(first["elbo"], rel=1e-5)


def test_active_units_are_those_that_move(digits):
    vae = tiny()
    vae._heads.mean_head.kernel.assign(np.zeros((16, 4)))
    vae._heads.mean_head.bias.assign([0.0, 1.0, 2.0, 3.0])
    vae.compile("adam", run_eagerly=True)
    x = digits.arrays("test")
    assert vae.evaluate(x, return_dict=True, verbose=0)["active_units"] == 0
    kernel = np.zeros((16, 4))
    kernel[:, 2:] = np.random.default_rng(0).normal(size=(16, 2))
    vae._heads.mean_head.kernel.assign(kernel)
    assert vae.evaluate(x, return_dict=True, verbose=0)["active_units"] == 2


def test_warm_up_and_free_nats_weigh_the_training_loss_alone():
    x = np.zeros((8, 8, 8, 1), "uint8")
    for arguments, charge in (
        ({"warmup_steps": 4}, lambda kl: 0.25 * kl),
        ({"free_nats": 50.0}, lambda kl: 50.0),
    ):
        vae = tiny(**arguments)
        vae.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
        before = vae.evaluate(x, return_dict=True, verbose=0)
        assert before["loss"] == pytest.approx(-before["elbo"], rel=1e-5)
        logs = vae.fit(x, batch_size=8, verbose=0).history
        loss = charge(logs["kl"][0]) - logs["reconstruction"][0]
        assert logs["loss"][0] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16"])
def test_half_precision_keeps_the_bound_in_float32(dtype, digits):
    vae = tiny("planar", dtype=dtype)
    x = digits.arrays("train")[:16]
    vae.compile("adam", run_eagerly=True)
    assert np.isfinite(vae.fit(x, verbose=0).history["loss"]).all()
    assert vae.elbo(x).dtype == tf.float32
    assert vae(x).dtype == tf.float32


def test_gated_convolutions_on_images_of_both_sizes():
    for side in (8, 28):
        vae = models.vae((side, side, 1), network="gated_conv", latent_dim=3)
        x = np.zeros((2, side, side, 1), "uint8")
        assert vae(x).shape == x.shape
    assert vae.encoder.layers[-2].kernel_size == 7
    with pytest.raises(ValueError, match="whose side 4 divides"):
        models.vae((6, 6, 1), network="gated_conv")


def test_parts_that_do_not_fit_are_named():
    dense = keras.layers.Dense

    def build(**kwargs):
        parts = {"encoder": dense(4), "decoder": dense(3), "latent_dim": 2, **kwargs}
        return tfflows.FlowVAE(**parts, event_shape=(3,))

    assert build().event_shape == (3,)
    for message, kwargs in {
        r"likelihood's parameters \(None, 6\), got \(None, 3": {
            "likelihood": "gaussian"
        },
        "features": {"encoder": keras.layers.Reshape((3, 1))},
        "expected a prior with an inverse": {"prior": fb.TriangularSylvester()},
        "latent_dim >= 1": {"latent_dim": 0},
        "latent_dim >= 1, an integer, got 2.5": {"latent_dim": 2.5},
        "that are Keras layers, got 'mlp'": {"encoder": "mlp"},
        "(free_nats|warmup_steps|evaluation_samples) >= 0": {"free_nats": np.nan},
        "expected a Likelihood or one of": {"likelihood": "poisson"},
        "got a step built for": {"posterior": _built(fb.Planar())},
        "evaluation_samples >= 0": {"evaluation_samples": -1},
    }.items():
        with pytest.raises(ValueError, match=message):
            build(**kwargs)
    for value, message in ((2.0, "integers from 0 to 1"), (np.nan, "integers from 0")):
        with pytest.raises(ValueError, match=message):
            build().elbo(np.full((2, 3), value))
    with pytest.raises(ValueError, match=r"shape \(batch, 3\), got \(2, 4\)"):
        build()(np.ones((2, 4)))
    with pytest.raises(ValueError, match="expected batches without a context"):
        build().initialize({"x": np.ones((2, 3)), "context": np.ones(2)})
    with pytest.raises(ValueError, match="expected data, got none"):
        build().initialize(np.ones((0, 3)))
    with pytest.raises(ValueError, match="expected a batch x"):
        build()(None)
    with pytest.raises(ValueError, match=r"latents of shape \(batch, 2\)"):
        build().decode(np.ones((2, 1)))
    with pytest.raises(ValueError, match="expected posterior 'none'"):
        tiny("glow")
    for wrong in ({"hidden_units": ()}, {"num_flows": 1.5, "posterior": "planar"}):
        with pytest.raises(ValueError, match=r"expected (hidden_units|num_flows)"):
            tiny(**wrong)
    with pytest.raises(ValueError, match="network 'dense' or 'gated_conv'"):
        tiny(network="cnn")


def _built(step):
    step.build((None, 5))
    return step


def test_it_builds_on_its_first_batch():
    vae = tfflows.FlowVAE(keras.layers.Dense(4), keras.layers.Dense(3), 2)
    vae.compile("adam", run_eagerly=True)
    with pytest.raises(ValueError, match=r"call .*initialize"):
        vae.fit(np.ones((4, 3)), verbose=0)
    vae.initialize(np.ones((4, 3)))
    assert np.isfinite(vae.fit(np.ones((4, 3)), verbose=0).history["loss"]).all()
