"""TarFlow: patches in alternating orders, guidance, Gaussian noise and its removal."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.export.writing.flow_signatures import flow_endpoints
from tfflows.fitting.batch import Batch
from tfflows.models import tarflow
from tfflows.preprocessing import GaussianNoise
from tfflows.zoo import get_config
from tfflows.zoo.running.evaluation import evaluate
from tfflows.zoo.running.per_label import measures_bits

TINY = {"num_blocks": 1, "num_layers": 1, "width": 8, "num_heads": 2, "expansion": 1}
GUIDED = {"num_classes": 3, "label_dropout": 0.25, "noise_std": 0.2, "levels": 17}


@pytest.fixture(scope="module")
def model():
    """A small model of noisy images of two patches, with three classes."""
    flow = tarflow((2, 4, 1), **TINY, **GUIDED)
    randomize(flow, size=0.1)
    flow.run_eagerly = True  # few calls, of loops over two patches
    return flow


def images(number=6):
    x = np.random.default_rng(0).integers(0, 17, (number, 2, 4, 1))
    return x, np.arange(number) % 3


def test_blocks_take_patches_in_alternating_orders():
    arguments = {**TINY, "num_blocks": 3}
    patches, *blocks = tarflow((4, 6, 1), **arguments).bijector.steps
    assert patches.latent_event_shape == (6, 4)
    assert [block.reverse for block in blocks] == [False, True, False]
    assert {type(block) for block in blocks} == {fb.TransformerAutoregressive}


def test_a_token_is_a_patch():
    step = fb.Patches(2)
    x = np.arange(24.0).reshape(1, 4, 6, 1)
    tokens = step.inverse(x)
    np.testing.assert_array_equal(tokens[0, 1], [2, 3, 8, 9])
    np.testing.assert_array_equal(tokens[0, 3], [12, 13, 18, 19])


def test_guidance_adds_the_difference_that_the_label_makes(model):
    labels = np.array([0, 1, 2])
    c = model.conditioning.network(labels)
    z = model._transform.inverse(model.sample(3, seed=1, context=labels), context=c)
    x = model.generate(3, 1, context=labels, guidance=[0.0, 1.0, 2.0], denoise=False)
    (rescale,), (patches, block) = model.preprocessing, model.bijector.steps
    tokens = patches.inverse(rescale.inverse(x))
    given, free = (block.network(tokens, context=one) for one in (c, 0.0 * c))
    weight = np.reshape([0.0, 1.0, 2.0], (3, 1, 1))
    wanted, _ = block.law.inverse(tokens, (1 + weight) * given - weight * free)
    np.testing.assert_allclose(tf.reshape(wanted, (3, -1)), z, atol=1e-4)
    assert np.max(np.abs(given - free)) > 0.01


def test_no_guidance_is_the_models_own_sample(model):
    plain = model.sample(2, seed=3, context=1)
    drawn = model.generate(2, 3, context=1, denoise=False)
    np.testing.assert_array_equal(drawn, plain)
    drawn = model.generate(2, 3, context=1)
    np.testing.assert_allclose(drawn, model.denoise(plain, 1), rtol=1e-6)


def test_denoising_is_the_mean_of_a_normal_prior():
    """The flow at its start is N(8.5, 8^2): its posterior mean is known."""
    flow = tarflow((2, 4, 1), **TINY, levels=17, noise_std=0.5)
    assert flow.noise_std == 4.0
    y = np.random.default_rng(0).normal(8.0, 5.0, (3, 2, 4, 1)).astype("float32")
    wanted = y - 4.0**2 / 8.0**2 * (y - 8.5)
    np.testing.assert_allclose(flow.denoise(y), wanted, rtol=1e-5)


def test_noise_of_training_is_normal_around_the_middle_of_a_level():
    noise = GaussianNoise(17, 2.0)
    x = tf.constant(images(400)[0], tf.float32)
    drawn = [
        noise.drawn_noise(x, tf.range(first, 400 + first), 0, training)
        for first, training in ((0, True), (1, True), (0, False))
    ]
    values = [np.asarray(e) for e, log_q in drawn if log_q is None]
    assert np.mean(values[0]) == pytest.approx(0.5, abs=0.1)
    assert np.std(values[0]) == pytest.approx(2.0, rel=0.05)
    np.testing.assert_array_equal(values[1][:-1], values[0][1:])  # by the index
    assert not np.any(values[2] == values[0])
    np.testing.assert_array_equal(noise.requantize(noise.dequantize(x)), x)


def test_gaussian_noise_gives_no_bits_anywhere(model):
    x, labels = images()
    batch = {"x": x, "context": labels}
    flow = tarflow((2, 4, 1), **TINY, **GUIDED)
    flow.compile("adam", run_eagerly=True)
    history = flow.fit(batch, validation_data=batch, verbose=0).history
    assert set(history) == {"loss", "val_loss", "skipped_steps"}
    with pytest.raises(ValueError, match="without Gaussian noise for bits per dim"):
        model.bits_per_dim(x, labels)
    density = model.distribution.log_prob(x + 0.5, context=labels)
    np.testing.assert_allclose(model.log_prob(x, labels), density, rtol=1e-5)
    outputs = flow_endpoints(model)["log_prob"].function(tf.constant(x), labels)
    assert set(outputs) == {"log_prob"}


def test_figures_of_an_experiment_have_bits_only_without_noise(model):
    source = tfflows.data.load("digits")
    assert not measures_bits(model, source)
    assert measures_bits(tarflow((2, 4, 1), **TINY, levels=17), source)


@pytest.mark.large
def test_evaluation_of_an_experiment_gives_nats_of_noisy_data():
    flow = tarflow((8, 8, 1), **{**TINY, **GUIDED, "num_classes": 10})
    result = evaluate(flow, get_config("tarflow_digits_classes"))
    assert result["noise_std"] == 1.6
    assert np.isfinite(result["nll"])
    assert "bits_per_dim" not in result


def test_labels_are_hidden_in_training_alone(model):
    x, labels = images(600)
    batch = Batch.of({"x": x, "context": labels})
    seen = model._prepared(batch, training=False)[1]
    np.testing.assert_array_equal(seen, model.conditioning.network(labels))
    hidden = ~np.any(model._prepared(batch, training=True)[1], axis=1)
    assert np.mean(hidden) == pytest.approx(0.25, abs=0.06)


def test_exports_generate_by_rows(model):
    endpoint = flow_endpoints(model)["generate"]
    names = [spec.name for spec in endpoint.inputs]
    assert names == ["seed", "temperature", "guidance", "context"]
    seeds = tf.constant([[0, 1], [5, 2]])
    weight, labels = tf.constant([0.0, 3.0]), tf.constant([1, 2])
    x = endpoint.function(seeds, tf.ones([2]), weight, labels)["x"]
    plain = model.sample_rows_and_log_prob(seeds, [1.0, 1.0], labels)[0]
    wanted = model.denoise(plain, labels)
    np.testing.assert_allclose(x[0], wanted[0], rtol=1e-4, atol=1e-4)
    assert np.max(np.abs(x[1] - wanted[1])) > 1e-3
    plain = tarflow((2, 4, 1), **TINY, levels=4)
    assert "generate" not in flow_endpoints(plain)


def test_its_file_brings_the_same_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is tfflows.models.TarFlow
    assert (loaded.noise_std, loaded.label_dropout) == (1.6, 0.25)
    x, labels = images()
    np.testing.assert_array_equal(loaded.log_prob(x, labels), model.log_prob(x, labels))


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        (
            (8, 8, 1),
            {"patch_size": 3},
            "divisible by patch_size=3, got 8 x 8; what",
        ),
        ((4, 4, 1), {"patch_size": 4}, "patch_size < 4, so .* more than one patch"),
        ((4, 4), {}, "images of shape"),
        ((4, 4, 1), {"num_heads": 3}, "num_heads that divides width=8"),
        ((4, 4, 1), {"noise_std": 0.1}, "noise_std with levels only"),
        (
            (4, 4, 1),
            {"noise_std": 0.1, "levels": 4, "logit_alpha": 0.1},
            "logit_alpha with uniform noise only",
        ),
        ((4, 4, 1), {"label_dropout": 0.1}, "label_dropout=0.1 with class labels"),
        ((4, 4, 1), {"num_classes": 2, "label_dropout": 1.0}, "label_dropout >= 0 and"),
        ((4, 4, 1), {"num_classes": 2, "context_shape": 3}, "or another context, got"),
    ],
)
def test_what_does_not_fit_is_named(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        tarflow(shape, **{**TINY, **arguments})


def test_draws_that_the_model_cannot_make_are_refused(model):
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        model.denoise(np.zeros((1, 2, 4, 1)), 3)
    seeds = tf.zeros([2, 2], tf.int32)
    with pytest.raises(ValueError, match="finite guidance >= 0"):
        model.guided_rows(seeds, 1.0, -1.0, 1)
    with pytest.raises(ValueError, match="one guidance, or one for each of 2 samples"):
        model.guided_rows(seeds, 1.0, [1.0, 2.0, 3.0], 1)
    plain = tarflow((2, 4, 1), **TINY)
    with pytest.raises(ValueError, match="never learnt images without their label"):
        plain.generate(1, guidance=1.0)
    with pytest.raises(ValueError, match="trained with Gaussian noise to denoise"):
        plain.generate(1, denoise=True)
