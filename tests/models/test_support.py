"""`support=`: densities of bounded data, and the step `Bounded` below it."""

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
from tfflows.export import export_saved_model

HALF_AND_UNIT = ((0.0, -1.0), (None, 1.0))  # x_0 > 0 and -1 < x_1 < 1


def flow_of(support, size=2, **kwargs):
    """A flow with weights away from their start."""
    context_dim = kwargs.get("context_shape")
    step = fb.AffineCoupling(networks.MLP((8,), context_dim=context_dim))
    flow = tfflows.Flow(step, (size,), support=support, **kwargs)
    randomize(flow, size=0.5)
    return flow


@pytest.mark.parametrize(
    ("support", "wanted"),
    [
        ("positive", tfd.LogNormal(0.0, 1.0)),
        ("unit", tfd.LogitNormal(0.0, 1.0)),
        (
            (None, 0.0),
            tfd.TransformedDistribution(tfd.LogNormal(0.0, 1.0), tfb.Scale(-1.0)),
        ),
        ((-np.inf, np.inf), tfd.Normal(0.0, 1.0)),
    ],
)
def test_known_densities(support, wanted):
    flow = tfflows.Flow(fb.Scale(), (2,), support=support)
    x = np.array([[0.1, 0.9], [0.5, 0.3], [1e-6, 0.999]], "float32")
    x = -x if support == (None, 0.0) else x
    log_prob = tf.reduce_sum(wanted.log_prob(x), axis=-1)
    np.testing.assert_allclose(flow.log_prob(x), log_prob, rtol=1e-4)


def test_the_density_integrates_to_one():
    flow = flow_of(HALF_AND_UNIT)
    grid = np.linspace(-16.0, 16.0, 401)
    axes = np.exp(grid), np.tanh(grid / 2)
    cells = np.outer(axes[0], (1 - axes[1] ** 2) / 2) * (grid[1] - grid[0]) ** 2
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    # Nearer to a bound than float32 can tell, the density is 0.
    density = np.exp(flow.log_prob(points.astype("float32")).numpy())
    np.testing.assert_allclose(np.sum(density * cells), 1.0, atol=2e-3)


OUTSIDE = [[-1.0, 0.0], [1.0, 1.5], [0.0, 0.0], [1.0, 1.0], [1.0, -1.0], [-0.0, 9.0]]


def test_outside_and_on_the_bounds_it_is_minus_infinity():
    flow = flow_of(HALF_AND_UNIT)
    x = tf.constant([*OUTSIDE, [1.0, 0.5]])
    in_graph = tf.function(flow.log_prob)
    for log_prob in (flow.log_prob(x), in_graph(x)):
        assert np.all(np.isneginf(log_prob[:-1]))
        assert np.isfinite(log_prob[-1])
    with pytest.raises(ValueError, match="which have no latents"):
        flow.encode(x)


def test_gradients_are_finite_also_beside_rows_outside():
    flow = flow_of(HALF_AND_UNIT)
    variables = [weight.value for weight in flow.trainable_weights]
    x = tf.constant([*OUTSIDE, [1.0, 0.5], [1e-30, -0.9999999], [1e30, 0.9999999]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        log_prob = flow.log_prob(x)
        loss = tf.reduce_sum(tf.where(tf.math.is_finite(log_prob), log_prob, 0.0))
    for gradient in tape.gradient(loss, [x, *variables]):
        assert np.all(np.isfinite(gradient))
    with tf.GradientTape() as tape:
        drawn = flow.sample(50, seed=1, temperature=300.0)
        loss = tf.reduce_mean(tf.math.log(drawn[:, 0]) + drawn[:, 1])
    gradients = tape.gradient(loss, variables)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@pytest.mark.parametrize("temperature", [1.0, 300.0])
def test_samples_are_inside(temperature):
    bounds = ([0, None, 5, -1], [None, 0, 7, 0])
    flow = tfflows.Flow(fb.Scale(), (4,), support=bounds)
    x, log_prob = flow.sample_and_log_prob(500, seed=1, temperature=temperature)
    low, high = [0, -np.inf, 5, -1], [np.inf, 0, 7, 0]
    assert np.all(np.isfinite(x) & (x > low) & (x < high))
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(flow.log_prob(x)))
    if temperature == 1:
        np.testing.assert_allclose(flow.log_prob(x), log_prob, rtol=1e-3, atol=1e-3)


def test_a_conditional_flow_learns_inside_its_support():
    rng = np.random.default_rng(0)
    context = rng.normal(size=(128, 1)).astype("float32")
    x = np.exp(context + 0.1 * rng.normal(size=(128, 2))).astype("float32")
    flow = flow_of("positive", context_shape=1, preprocessing=fb.Standardize())
    data = {"x": x, "context": context}
    flow.initialize(data)
    flow.compile(keras.optimizers.Adam(3e-2))
    losses = flow.fit(data, batch_size=64, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert flow.sample(3, context=context[:4, None]).shape == (4, 3, 2)
    x[7, 1] = -1.0
    message = r"between low=0.0 and high=None, got row 7 .*-1"
    with pytest.raises(ValueError, match=message):
        flow_of("positive", context_shape=1).initialize(data)
    with pytest.raises(Exception, match="positive and finite density to train on"):
        flow.fit(data, batch_size=64, verbose=0)


@pytest.mark.parametrize("support", ["unit", HALF_AND_UNIT])
def test_files_and_configs(support, tmp_path):
    flow = flow_of(support, name="bounded")
    x = flow.sample(5, seed=1).numpy()
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(loaded.log_prob(x), flow.log_prob(x), rtol=1e-6)
    assert loaded.support == flow.support
    config = flow.get_config()
    del config["support"]  # as of version 0.1.0
    assert tfflows.Flow.from_config(config).support is None


@pytest.mark.large
def test_an_export_answers_as_the_model_does(tmp_path):
    flow = flow_of(HALF_AND_UNIT)
    path = export_saved_model(flow, tmp_path)
    signatures = tf.saved_model.load(str(path)).signatures
    x = np.array([*OUTSIDE, [1.0, 0.5]], "float32")
    found = signatures["log_prob"](x=tf.constant(x))["log_prob"]
    np.testing.assert_allclose(found, flow.log_prob(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("support", "message"),
    [
        ("negative", "support None, 'positive', 'unit' or .*got 'negative'"),
        (3.0, "'unit' or .*got 3.0"),
        ((0, 1, 2), "'unit' or .*"),
        ((1, 0), "low < high, got low=1, high=0"),
        ((0, 0), "low < high"),
        (([0, 1], [1, 1]), "low < high"),
        ((np.inf, None), "low < high"),
        ((np.nan, 1), "expected low as a number, None for no bound"),
        ((0, "1"), "expected high as a number"),
        ((0, True), "expected high as a number"),
        (([[0], [0, 1]], 1), "expected low as a number"),
        (([0, 0, 0], None), r"low as one number or of shape \(2,\), got shape \(3,\)"),
        (([0, 0], [1, 1, 1]), "low < high"),
        ((1.0, 1.0 + 1e-12), "numbers of float32 between"),
    ],
)
def test_what_is_no_support_is_named(support, message):
    with pytest.raises(ValueError, match=message):
        tfflows.Flow(fb.Scale(), (2,), support=support)


def test_integers_have_no_support():
    for build in (tfflows.models.maf, tfflows.models.nice):
        with pytest.raises(ValueError, match="support for continuous data only"):
            build((2,), levels=4, hidden_units=(2,), support="unit")


FAMILIES = ("nice", "realnvp", "glow_dense", "maf", "iaf", "nsf")


@pytest.mark.parametrize("family", FAMILIES)
def test_builders_pass_it_on(family):
    with pytest.raises(ValueError, match="got 'negative'"):
        getattr(tfflows.models, family)((2,), hidden_units=(2,), support="negative")
