"""Squeeze, 1x1 convolutions, repeats, levels and class maps: their mathematics."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.bijectors.image_steps import IMAGE_STEPS
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def images(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def glow_step():
    coupling = fb.AffineCoupling(networks.ConvNet(6), mask="channel", head="glow")
    return fb.Chain([fb.ActNorm(), fb.Invertible1x1Conv(), coupling], event_ndims=3)


def test_squeeze_puts_a_block_of_pixels_into_channels():
    x = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
    z = fb.Squeeze().inverse(x)
    np.testing.assert_array_equal(z[0, 0, 0], [0, 1, 4, 5])
    np.testing.assert_array_equal(z[0, 1, 0], [8, 9, 12, 13])
    two = np.stack([x[..., 0], 100 + x[..., 0]], axis=-1)
    np.testing.assert_array_equal(
        fb.Squeeze().inverse(two)[0, 0, 0], [0, 100, 1, 101, 4, 104, 5, 105]
    )


def test_squeeze_refuses_what_it_cannot_divide():
    with pytest.raises(ValueError, match="divisible by 2, got 5 x 4"):
        fb.Squeeze().build((None, 5, 4, 1))
    with pytest.raises(ValueError, match="factor >= 2, an integer, got 1"):
        fb.Squeeze(1)


@pytest.mark.parametrize("parameterization", ["plu", "free"])
def test_a_1x1_convolution_starts_as_a_rotation(parameterization):
    conv, x = fb.Invertible1x1Conv(parameterization), images(2, 3, 5, 6)
    z, log_det = conv.inverse_and_log_det(x)
    norm = np.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), norm, rtol=1e-4)
    np.testing.assert_allclose(log_det, 0.0, atol=1e-4)
    matrix = conv._matrix_and_log_det()[0]
    np.testing.assert_allclose(matrix @ tf.transpose(matrix), np.eye(6), atol=1e-5)
    assert np.abs(z - x).max() > 0.1  # but not the identity


def test_plu_weights_are_what_the_paper_says():
    conv = fb.Invertible1x1Conv(dtype="float64")
    conv.build((None, 2, 2, 5))
    assert {w.name for w in conv.trainable_weights} == {"lu"}
    assert {w.name for w in conv.non_trainable_weights} == {"permutation", "sign"}
    np.testing.assert_array_equal(np.abs(np.diag(conv.sign)), 1.0)
    np.testing.assert_array_equal(np.sum(conv.permutation, axis=0), 1.0)
    randomize(conv)
    log_det = conv.inverse_log_det_jacobian(np.zeros((1, 2, 2, 5)))
    matrix = conv._matrix_and_log_det()[0]
    np.testing.assert_allclose(log_det, 4 * np.linalg.slogdet(matrix)[1])
    with pytest.raises(ValueError, match=r"parameterization .*got 'qr'"):
        fb.Invertible1x1Conv("qr")


def chain_of(repeated):
    """The chain of fresh steps with the weights of a `Repeated`."""
    steps = [glow_step() for _ in range(repeated.num_repeats)]
    chain = fb.Chain(steps, event_ndims=3)
    chain.build((None, *repeated.data_event_shape))
    for step, weights in zip(steps, repeated._weights_of(), strict=True):
        for variable, value in zip(step.variables, weights, strict=True):
            variable.assign(value)
    return chain


@pytest.mark.parametrize("graph", [False, True])
def test_repeated_is_the_chain_of_its_steps(graph):
    repeated, x = fb.Repeated(glow_step(), 3), images(5, 4, 2, 3)
    repeated.build((None, 4, 2, 3))
    randomize(repeated)
    chain = chain_of(repeated)
    for name in ("inverse_and_log_det", "forward_and_log_det"):
        run = getattr(repeated, name)
        got = tf.function(run)(tf.constant(x)) if graph else run(x)
        for one, other in zip(got, getattr(chain, name)(x), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("direction", ["inverse", "forward"])
def test_repeated_starts_each_step_from_the_data_that_reaches_it(direction):
    repeated, x = fb.Repeated(glow_step(), 3), 5.0 + 3.0 * images(99, 2, 2, 4)
    assert not repeated.is_initialized
    z = repeated.initialize(x, direction=direction)
    assert repeated.is_initialized
    fused = getattr(repeated, direction)
    np.testing.assert_allclose(fused(x), z, rtol=1e-5, atol=1e-5)
    value = x
    steps = chain_of(repeated).steps
    for step in steps if direction == "inverse" else steps[::-1]:
        if direction == "forward":
            value = getattr(step.steps[1], direction)(
                getattr(step.steps[2], direction)(value)
            )
        value = getattr(step.steps[0], direction)(value)
        np.testing.assert_allclose(np.mean(value, axis=(0, 1, 2)), 0.0, atol=1e-3)
        np.testing.assert_allclose(np.std(value, axis=(0, 1, 2)), 1.0, atol=1e-3)
        if direction == "inverse":
            value = step.steps[2].inverse(step.steps[1].inverse(value))
    stacks = [weight.numpy() for weight in repeated.weights]
    repeated.initialize(7.0 * x, direction=direction)  # takes place once
    for before, after in zip(stacks, repeated.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_steps_of_a_repeat_start_apart():
    repeated = fb.Repeated(fb.Invertible1x1Conv(), 2)
    repeated.build((None, 2, 2, 4))
    one, other = repeated.trainable_weights[0].numpy()
    assert np.abs(one - other).max() > 0.1


def test_a_repeats_graph_does_not_grow_with_it():
    def size(num_repeats):
        repeated = fb.Repeated(glow_step(), num_repeats)
        repeated.build((None, 2, 2, 4))
        spec = tf.TensorSpec((None, 2, 2, 4), tf.float32)
        run = tf.function(repeated.inverse_and_log_det)
        graph = run.get_concrete_function(spec).graph.as_graph_def()
        functions = sum(len(f.node_def) for f in graph.library.function)
        return len(graph.node) + functions

    one, nine = size(1), size(9)
    assert nine - one < 8 * 12  # a call and its sum; the step itself has over 100 ops
    assert one > 100


def test_repeated_refuses():
    with pytest.raises(ValueError, match="num_repeats >= 1, an integer, got 0"):
        fb.Repeated(glow_step(), 0)
    with pytest.raises(ValueError, match="keeps shapes, got squeeze"):
        fb.Repeated(fb.Squeeze(), 2)


def test_levels_factor_out_the_second_half_of_the_channels():
    levels = [fb.Squeeze(), fb.Squeeze(), fb.Squeeze()]
    flow, x = fb.Multiscale(levels), images(2, 8, 8, 1)
    z = flow.inverse(x)
    first = fb.Squeeze().inverse(x)
    second = fb.Squeeze().inverse(first[..., :2])
    third = fb.Squeeze().inverse(second[..., :4])
    outs = first[..., 2:], second[..., 4:], third
    flat = np.concatenate([np.reshape(out, (2, -1)) for out in outs], axis=1)
    np.testing.assert_array_equal(z, flat)  # the split priors start as the identity
    assert flow.latent_event_shape == (64,)


def test_a_split_prior_normalises_the_half_given_the_kept_one():
    flow, x = fb.Multiscale([fb.Squeeze(), fb.Squeeze()]), images(3, 4, 4, 1)
    flow.build((None, 4, 4, 1))
    (prior,) = flow.priors
    randomize(prior)
    h = fb.Squeeze().inverse(x)
    kernel, bias, gain = [w.numpy() for w in prior.trainable_weights]
    params = tf.nn.conv2d(h[..., :2], kernel, 1, "SAME") + bias
    params = params * tf.exp(3 * gain)
    shift, log_scale = params[..., :2], 6.0 * tf.tanh(params[..., 2:] / 6.0)
    wanted = (h[..., 2:] - shift) * tf.exp(-log_scale)
    z = flow.inverse(x)
    np.testing.assert_allclose(z[:, :8], tf.reshape(wanted, (3, 8)), rtol=1e-4)
    without = fb.Multiscale([fb.Squeeze(), fb.Squeeze()], split_priors=False)
    without.build((None, 4, 4, 1))
    assert without.trainable_weights == []


def test_multiscale_refuses():
    with pytest.raises(ValueError, match="one level or more, got none"):
        fb.Multiscale([])
    one_channel = fb.Multiscale([fb.ActNorm(event_ndims=3), fb.Squeeze()])
    with pytest.raises(ValueError, match="level 1 to give images of 2 or more channel"):
        one_channel.build((None, 4, 4, 1))


def test_class_affine_is_each_classs_map():
    step, x = fb.ClassAffine(3), images(4, 2, 2, 5)
    labels = np.array([2, 0, 2, 1])
    np.testing.assert_array_equal(step.inverse(x, context=labels), x)
    randomize(step)
    z, log_det = step.inverse_and_log_det(x, context=labels)
    scale, shift = step.log_scale.numpy()[labels], step.shift.numpy()[labels]
    wanted = (x - shift[:, None, None]) * np.exp(-scale[:, None, None])
    np.testing.assert_allclose(z, wanted, rtol=1e-5)
    np.testing.assert_allclose(log_det, -4 * scale.sum(axis=-1), rtol=1e-5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "integer labels of shape .* got none"),
        (np.zeros(4), "integer labels of shape .* got float64"),
        (np.array([0, 1, 2, 3]), "labels from 0 to 2"),
        (np.array([0, 1, 2, -1]), "labels from 0 to 2"),
    ],
)
def test_class_affine_refuses(labels, message):
    with pytest.raises(ValueError, match=message):
        fb.ClassAffine(3).inverse(images(4, 2), context=labels)


def test_a_constant_channel_keeps_its_scale_with_a_warning():
    x = images(9, 2, 2, 4)
    x[..., 1] = 7.0
    flow = fb.Multiscale([fb.Chain([fb.Squeeze(), fb.ActNorm(name="norm")])])
    with pytest.warns(UserWarning, match=r"norm: channels \[1, 5, 9, 13\] are const"):
        z = flow.initialize(x)
    assert np.isfinite(z).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow.initialize(x)


def test_a_warning_from_a_repeat_tells_which_step():
    steps = fb.Repeated(fb.ActNorm(name="norm", event_ndims=3), 2, name="level")
    with pytest.warns(UserWarning, match="are constant") as caught:
        steps.initialize(np.ones((9, 2, 2, 1)))
    starts = [str(warning.message).split(" are")[0] for warning in caught]
    assert starts == [f"level, step {k} of 2: norm: channels [0]" for k in (1, 2)]


@pytest.mark.parametrize(
    ("name", "graph"), [("multiscale", False), ("coupling_convnet", True)]
)
def test_an_empty_batch_stays_one(name, graph):
    case = IMAGE_STEPS[name]
    step = case.step("float32")

    def run(x):
        with tf.GradientTape() as tape:
            z, log_det = step.inverse_and_log_det(x)
            loss = tf.reduce_sum(z) + tf.reduce_sum(log_det)
        back = step.forward(z)
        return z, back, tape.gradient(loss, step.trainable_variables[0].value)

    if graph:
        spec = tf.TensorSpec((None, *case.event_shape), tf.float32)
        run = tf.function(run, input_signature=[spec])
    z, back, gradient = run(tf.zeros((0, *case.event_shape)))
    assert z.shape == (0, *step.latent_event_shape)
    assert back.shape == (0, *case.event_shape)
    np.testing.assert_array_equal(gradient, 0.0)


def test_every_row_is_saved_with_its_weights(tmp_path):
    step = IMAGE_STEPS["multiscale"].step("float32")
    step.initialize(images(20, 4, 4, 1))
    model = keras.Sequential([keras.Input((16,)), step])
    model.save(tmp_path / "step.keras")
    loaded = keras.models.load_model(tmp_path / "step.keras").layers[0]
    assert loaded.is_initialized
