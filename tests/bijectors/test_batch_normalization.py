"""Batch normalisation: the batch's statistics in training, stored ones elsewhere."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb


def batch(mean=1e3, size=64):
    rng = np.random.default_rng(0)
    return (mean + [1.0, 3.0] * rng.normal(size=(size, 2))).astype("float32")


def flow_of(step, x=None):
    flow = tfflows.Flow(step, (2,))
    flow.initialize(batch() if x is None else x)
    return flow


def test_training_normalises_by_the_batch_and_moves_the_stored_statistics():
    step = fb.BatchNormalization(momentum=0.75, epsilon=1e-3)
    flow = flow_of(step, batch(mean=0.0))
    randomize(flow)
    before = [weight.numpy() for weight in step.statistics.weights]
    x = batch()
    mean, variance = x.mean(axis=0), x.var(axis=0)
    # By hand: the density of the normalised batch, its statistics taken as constants.
    deviation = np.sqrt(variance + 1e-3)
    z = (x - mean) / deviation * np.exp(step.log_scale) + step.shift.numpy()
    log_det = np.sum(step.log_scale.numpy() - np.log(deviation))
    wanted = -0.5 * np.sum(z**2 + np.log(2 * np.pi), axis=1) + log_det
    got = tf.function(lambda x: flow(x, training=True), jit_compile=True)(x)
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
    after = step.statistics.weights
    for old, new, now in zip(before, (mean, variance), after, strict=True):
        np.testing.assert_allclose(now, 0.75 * old + 0.25 * new, rtol=1e-4)


def test_elsewhere_nothing_depends_on_the_batch_or_assigns():
    step = fb.BatchNormalization()
    flow = flow_of(step)
    randomize(flow)
    before = [weight.numpy() for weight in step.weights]
    log_prob = flow.log_prob(batch())
    np.testing.assert_allclose(flow.log_prob(batch()[:1]), log_prob[:1], rtol=1e-4)
    np.testing.assert_allclose(flow(batch()), log_prob, rtol=1e-6)
    np.testing.assert_allclose(flow.decode(flow.encode(batch())), batch(), rtol=1e-5)
    flow.compile("sgd")
    flow.evaluate(batch(), verbose=0)
    for old, weight in zip(before, step.weights, strict=True):
        np.testing.assert_array_equal(old, weight)


def test_the_row_that_stands_for_an_empty_batch_of_images_does_not_count():
    steps = [fb.Scale(), fb.BatchNormalization(momentum=0.0)]
    chain = fb.Chain(steps, event_ndims=3)
    flow = tfflows.Flow(chain, (2, 2, 1), preprocessing=fb.Rescale(3.0, 7.0))
    flow.initialize(np.random.default_rng(0).normal(size=(8, 2, 2, 1)))
    shape = tf.TensorSpec((None, 2, 2, 1))
    train = tf.function(lambda x: flow(x, training=True), input_signature=[shape])
    sums = []
    for images in (np.zeros((0, 2, 2, 1)), np.zeros((1, 2, 2, 1))):
        assert train(tf.constant(images, tf.float32)).shape == len(images)
        sums.append(float(steps[1].statistics.mean[0]))
    assert sums[0] == 0  # of no values; the row of zeros is not 0 behind `Rescale`
    assert sums[1] != 0


def test_gradients_flow_through_the_batchs_statistics():
    step = fb.BatchNormalization()
    flow = flow_of(fb.Chain([fb.Scale(), step]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(flow(batch(), training=True))
    (gradient,) = tape.gradient(loss, [flow.bijector.steps[0].log_scale.value])
    # What the scale changes, the normalisation undoes, log-det included.
    np.testing.assert_allclose(gradient, 0.0, atol=1e-3)


def test_the_start_takes_place_once_and_is_saved(tmp_path):
    flow = flow_of(fb.BatchNormalization(epsilon=1e-9))
    z = flow.encode(batch())
    np.testing.assert_allclose(np.mean(z, axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(np.std(z, axis=0), 1.0, rtol=1e-4)
    flow.compile(keras.optimizers.Adam(1e-2))
    flow.fit(batch(), batch_size=16, verbose=0)
    wanted = flow.log_prob(batch())
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    loaded.initialize(batch(mean=0.0))
    np.testing.assert_allclose(loaded.log_prob(batch()), wanted, rtol=1e-6)


def test_training_without_a_start_and_bad_arguments_are_refused():
    flow = tfflows.Flow(fb.BatchNormalization(), (2,))
    flow.compile("sgd")
    with pytest.raises(ValueError, match=r"call .*initialize\(batch\)"):
        flow.fit(batch(), verbose=0)
    for arguments in ({"momentum": 1.0}, {"epsilon": 0.0}):
        with pytest.raises(ValueError, match="expected a finite"):
            fb.BatchNormalization(**arguments)
    flow = flow_of(fb.Repeated(fb.BatchNormalization(), 3))
    with pytest.raises(ValueError, match=r"neither assigns variables .*Repeated"):
        flow(batch(), training=True)
