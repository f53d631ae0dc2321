"""Glow and multi-scale RealNVP are what their papers say."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.models import ClassifyingFlow, glow, realnvp_multiscale

TINY = {"num_steps": 2, "num_levels": 2, "width": 8, "levels": 256}
TINY_NVP = {"num_levels": 2, "width": 4, "num_blocks": 1, "levels": 256}
FLOWS = {
    "glow": lambda **kw: glow((8, 4, 1), **{**TINY, **kw}),
    "glow_additive": lambda **kw: glow(
        (4, 4, 3), **{**TINY, "coupling": "additive", **kw}
    ),
    "glow_logit": lambda **kw: glow((4, 4, 1), **{**TINY, "logit_alpha": 1e-6, **kw}),
    "glow_5_bits": lambda **kw: glow((4, 4, 1), **{**TINY, "n_bits": 5, **kw}),
    "realnvp": lambda **kw: realnvp_multiscale((4, 6, 3), **{**TINY_NVP, **kw}),
}


def pixels(flow, number, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (number, *flow.event_shape)).astype("uint8")
    x[0], x[1] = 0, 255  # where a logit is steepest
    return x


def trained_like(flow):
    flow.initialize(pixels(flow, 64))
    randomize(flow, size=0.05)
    return flow


def steps_of(flow, kind):
    return [layer for layer in flow._flatten_layers() if isinstance(layer, kind)]


def num_parameters(flow):
    return sum(int(np.prod(weight.shape)) for weight in flow.trainable_weights)


@pytest.mark.parametrize("name", FLOWS)
def test_decode_inverts_encode(name):
    for dtype, tolerance in (("float32", 0.05), ("float64", 1e-6)):
        flow = trained_like(FLOWS[name](dtype=dtype))
        x = pixels(flow, 5, seed=1)
        back = flow.decode(flow.encode(x)).numpy()
        kept = x - x % flow.dequantization.bin_width
        np.testing.assert_allclose(back, kept, atol=tolerance)
        np.testing.assert_array_equal(np.round(back), kept)


@pytest.mark.parametrize(("name", "num_levels"), [("glow", 2), ("realnvp", 1)])
def test_training_lowers_bits_per_dim_and_a_loaded_model_scores_alike(
    name, num_levels, tmp_path
):
    flow = FLOWS[name](num_levels=num_levels)
    x = pixels(flow, 96)
    x = x[:, :1, :1, :1] // 2 + x // 16  # grey images: their pixels tell each other
    flow.initialize(x)
    flow.compile(keras.optimizers.Adam(1e-2))
    history = flow.fit(x, batch_size=32, epochs=4, verbose=0).history
    assert history["bits_per_dim"][-1] < history["bits_per_dim"][0] - 0.05
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert loaded.is_initialized
    np.testing.assert_allclose(loaded.log_prob(x), flow.log_prob(x), rtol=1e-5)
    weights = [weight.numpy() for weight in loaded.weights]
    loaded.initialize(255 - x)  # a restored model does not start again
    for before, after in zip(weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_glows_parameters_are_those_of_the_paper():
    channels, width = 12, 16
    flow = glow((4, 4, 3), num_steps=5, num_levels=2, width=width)

    def one(c):
        actnorm, conv = 2 * c, c * c
        hidden = 9 * (c // 2) * width + width * width + 4 * width
        return actnorm + conv + hidden + 9 * width * c + 2 * c

    prior = 9 * 6 * 12 + 2 * 12
    assert num_parameters(flow) == 5 * (one(channels) + one(2 * channels)) + prior
    # With width 512: 347,328 parameters in a step of the first level of CIFAR-10.
    width = 512
    assert one(12) == 347_328
    assert one(24) == 430_752
    assert one(48) == 598_464


def test_glow_level_is_squeeze_and_steps_and_only_the_last_knows_classes():
    flow = glow((8, 8, 1), **{**TINY, "num_levels": 3, "num_classes": 4})
    kinds = [[type(step).__name__ for step in c.steps] for c in flow.bijector.levels]
    first = ["Squeeze", "Repeated"]
    assert kinds == [first, first, [*first, "ClassAffine"]]
    assert len(flow.bijector.priors) == 2
    assert flow.latent_dim == 64


@pytest.mark.parametrize("permutation", ["conv", "reverse", "shuffle"])
def test_glows_permutations(permutation):
    flow = glow((4, 4, 1), **{**TINY, "permutation": permutation})
    x = pixels(flow, 3)
    flow.initialize(pixels(flow, 32))
    np.testing.assert_allclose(flow.decode(flow.encode(x)), x, atol=0.01)
    shuffles = steps_of(flow, fb.Permute)
    if permutation == "shuffle":
        assert len({step.seed for step in shuffles}) == 4


def test_realnvp_normalises_by_the_batch_after_each_coupling():
    flow = realnvp_multiscale((4, 4, 1), **{**TINY_NVP, "normalization": "batch"})
    chain = flow.bijector.levels[0].steps
    kinds = [type(step).__name__ for step in chain if not isinstance(step, fb.Squeeze)]
    assert kinds == ["AffineCoupling", "BatchNormalization"] * 6
    actnorms = realnvp_multiscale((4, 4, 1), **TINY_NVP)
    assert num_parameters(flow) == num_parameters(actnorms)
    x = pixels(flow, 16)
    flow.initialize(x)
    assert np.isfinite(flow(x, training=True)).all()
    with pytest.raises(ValueError, match="normalization 'actnorm' or 'batch'"):
        realnvp_multiscale((4, 4, 1), **TINY_NVP, normalization="layer")


def test_realnvps_masks_alternate_as_in_the_paper():
    parts = {**TINY_NVP, "num_levels": 3, "stacked": False}
    flow = realnvp_multiscale((8, 8, 3), **parts)
    couplings = [
        [step for step in chain.steps if isinstance(step, fb.AffineCoupling)]
        for chain in flow.bijector.levels
    ]
    masks = [[coupling.mask for coupling in level] for level in couplings]
    level = ["checkerboard"] * 3 + ["channel"] * 3
    assert masks == [level, level, ["checkerboard"] * 4]
    reverse = [[coupling.reverse for coupling in level] for level in couplings]
    three = [False, True, False]
    assert reverse == [three + three, three + three, [*three, True]]
    widths = [[c.conditioner.width for c in level] for level in couplings]
    assert widths == [[4] * 3 + [8] * 3, [8] * 3 + [16] * 3, [16] * 4]
    assert flow.bijector.priors == []


def test_every_image_actnorm_normalises_the_first_batch():
    flow = realnvp_multiscale((4, 4, 1), **TINY_NVP)
    x = pixels(flow, 128)
    flow.initialize(x)
    value = flow.dequantize(x)
    for step in flow.preprocessing:
        value = step.inverse(value)
    for step in flow.bijector.levels[0].steps:
        value = step.inverse(value)
        if isinstance(step, fb.ActNorm):
            np.testing.assert_allclose(np.mean(value, axis=(0, 1, 2)), 0.0, atol=1e-3)
            np.testing.assert_allclose(np.std(value, axis=(0, 1, 2)), 1.0, atol=1e-3)


def test_temperature_acts_on_all_levels():
    flow = trained_like(FLOWS["glow"]())
    still = flow.sample(3, seed=1, temperature=0.0)
    np.testing.assert_allclose(still, still[:1].numpy().repeat(3, axis=0), atol=1e-4)
    seed = tf.constant([[1, 2]])
    z = [flow.base.sample_rows(seed, [t]) for t in (0.5, 1.0)]
    np.testing.assert_allclose(2.0 * z[0], z[1], rtol=1e-6)
    x, log_prob = flow.sample_and_log_prob(4, seed=1, temperature=0.7)
    np.testing.assert_allclose(flow.distribution.log_prob(x), log_prob, rtol=1e-3)


def test_a_class_conditional_glow_learns_its_classes(tmp_path):
    small = {**TINY, "num_levels": 1, "num_steps": 1}
    flow = glow((4, 4, 1), **{**small, "num_classes": 2, "classifier_weight": 0.1})
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 256)
    x = rng.integers(0, 60, (256, 4, 4, 1)) + 150 * labels[:, None, None, None]
    data = {"x": x.astype("uint8"), "context": labels}
    flow.initialize(data)
    flow.compile(keras.optimizers.Adam(2e-2))
    history = flow.fit(data, batch_size=64, epochs=12, verbose=0).history
    assert set(history) == {"loss", "nll", "bits_per_dim", "accuracy", "skipped_steps"}
    assert history["accuracy"][-1] > 0.95
    check_classifier(flow, data, tmp_path)
    scores = np.stack(
        [flow.log_prob(data["x"], np.full(256, label)) for label in (0, 1)], axis=1
    )
    assert np.mean(scores.argmax(axis=1) == labels) > 0.95
    means = [np.mean(flow.sample(64, seed=1, context=label)) for label in (0, 1)]
    assert means[1] > means[0] + 60
    with pytest.raises(ValueError, match="expected labels from 0 to 1"):
        flow.log_prob(data["x"], np.full(256, 2))


def check_classifier(flow, data, folder):
    x, labels = data["x"], data["context"]
    log_probs = flow.classify(x).numpy()
    assert np.mean(log_probs.argmax(axis=1) == labels) > 0.95
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1.0, rtol=1e-5)
    logs = flow.evaluate(data, verbose=0, return_dict=True)
    bits_of_labels = -np.mean(log_probs[np.arange(len(x)), labels]) / np.log(2)
    loss_in_bits = logs["bits_per_dim"] + 0.1 * bits_of_labels
    np.testing.assert_allclose(logs["loss"] / (16 * np.log(2)), loss_in_bits, rtol=1e-5)
    # The class-conditional prior leaves no trace of the label that it was given.
    one, other = [
        flow._logits(flow.encode(x, given), given)
        for given in (tf.constant(labels, tf.int32), tf.constant(1 - labels, tf.int32))
    ]
    np.testing.assert_allclose(one, other, atol=1e-3)
    flow.save(folder / "flow.keras")
    loaded = keras.models.load_model(folder / "flow.keras")
    np.testing.assert_allclose(loaded.classify(x), log_probs, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: glow((28, 28, 1), num_levels=3),
            "divisible by 8 for num_levels=3, got 28 x 28; what works: num_levels up "
            "to 2, or images padded or cut to 32 x 32",
        ),
        (
            lambda: glow((9, 4, 1), num_levels=1),
            "divisible by 2 for num_levels=1, got 9 x 4; what works: images padded",
        ),
        (
            lambda: realnvp_multiscale((28, 28, 1), num_levels=4),
            "divisible by 8 for num_levels=4, got 28 x 28; what works: num_levels up "
            "to 3",
        ),
        (lambda: glow((8, 8)), r"images of shape .* got \(8, 8\)"),
        (lambda: glow((8.5, 8, 1)), r"images of shape .* got \(8.5, 8, 1\)"),
        (lambda: glow(8), "images of shape .* got 8"),
        (lambda: realnvp_multiscale((2, 2, 1)), "more than one pixel in the last of "),
        (lambda: glow((8, 8, 1), num_levels=0), "num_levels >= 1, an integer, got 0"),
        (
            lambda: glow((8, 8, 1), num_levels=1.5),
            "num_levels >= 1, .* got 1.5",
        ),
        (lambda: glow((8, 8, 1), num_steps="3"), "num_steps >= 1, .* got '3'"),
        (lambda: glow((8, 8, 1), width=2.5), "width >= 1, an integer, got 2.5"),
        (
            lambda: realnvp_multiscale((8, 8, 1), num_blocks=0),
            "num_blocks >= 1, an integer, got 0",
        ),
        (lambda: glow((8, 8, 1), coupling="linear"), "'affine' or 'additive', got"),
        (lambda: glow((8, 8, 1), permutation="x"), "permutation .*got 'x'"),
        (lambda: glow((8, 8, 1), **TINY, base="cauchy"), "base .*got 'cauchy'"),
        (lambda: glow((8, 8, 1), num_levels=1, n_bits=5), "n_bits with levels only"),
        (
            lambda: glow((8, 8, 1), classifier_weight=1.0),
            "num_classes with classifier_",
        ),
        (
            lambda: glow((4, 4, 1), **TINY, num_classes=2, classifier_weight=-1.0),
            "classifier_weight >= 0, got -1.0",
        ),
        (
            lambda: ClassifyingFlow(fb.Permute(), (2,)),
            "last level is a Chain that ends in ClassAffine, got",
        ),
    ],
)
def test_what_cannot_be_built_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_deep_glows_graph_stays_small():
    flow = glow((8, 8, 3), num_steps=8, num_levels=3, width=4, levels=256)
    assert len(flow.trainable_weights) == 42

    def loss_and_gradient(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow(x, training=True))
        return loss, tape.gradient(loss, [w.value for w in flow.trainable_weights])

    spec = tf.TensorSpec((None, 8, 8, 3), tf.uint8)
    graph = tf.function(loss_and_gradient, autograph=False).get_concrete_function(spec)
    graph = graph.graph.as_graph_def()
    functions = sum(len(f.node_def) for f in graph.library.function)
    assert len(graph.node) + functions < 3_000


def test_bits_per_dim_of_uniform_noise_is_eight():
    flow = FLOWS["glow"](dtype="float64")
    x = pixels(flow, 500)
    flow.initialize(x)
    # An unfitted Gaussian loses a little against the uniform density of 8 bits.
    assert 8.0 < np.mean(flow.bits_per_dim(x)) < 8.4
    assert isinstance(flow, tfflows.Flow)
