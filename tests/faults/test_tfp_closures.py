"""Networks in functions that stock bijectors call are trained and saved."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows
from tfflows import bijectors as fb

X = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")


def network(layers=keras.layers, model=keras.Sequential):
    return model([layers.Dense(4, "tanh"), layers.Dense(2)])


def shift_and_log_scale(x, units, net, **kwargs):
    return tf.split(net(x), 2, axis=-1)


class Called:
    """A user's callable object."""

    def __init__(self):
        self.net = network()

    def __call__(self, x, units, **kwargs):
        return shift_and_log_scale(x, units, self.net)

    def method(self, x, units, **kwargs):
        return self(x, units)


class Shear(tfb.Bijector):
    """A user's bijector with a Keras 3 layer, which tf.Module does not see."""

    def __init__(self):
        super().__init__(forward_min_event_ndims=1, dtype=tf.float32, name="shear")
        self.net = network()

    def _forward(self, x):
        return tf.concat([x[..., :1], x[..., 1:] + self.net(x[..., :1])[..., :1]], -1)

    def _inverse(self, y):
        return tf.concat([y[..., :1], y[..., 1:] - self.net(y[..., :1])[..., :1]], -1)

    def _forward_log_det_jacobian(self, x):
        return tf.zeros(tf.shape(x)[:-1])


def real_nvp(function):
    return tfb.RealNVP(num_masked=1, shift_and_log_scale_fn=function)


def in_partial():
    return real_nvp(functools.partial(shift_and_log_scale, net=network()))


def in_closure(net=None):
    net = net or network()
    return real_nvp(lambda x, units, **_: shift_and_log_scale(x, units, net))


BIJECTORS = {
    "closure": in_closure,
    "partial": in_partial,
    "object": lambda: real_nvp(Called()),
    "method": lambda: real_nvp(Called().method),
    "keras 2": lambda: in_closure(network(tf_keras.layers, tf_keras.Sequential)),
    "nested": lambda: tfb.Chain([tfb.Shift([1.0, 1.0]), tfb.Invert(in_closure())]),
    "class": Shear,
}


def ffjord():
    net = network()
    return tfb.FFJORD(lambda t, z: net(z))


def check_training(flow, tmp_path, number=4):
    assert len(flow.trainable_weights) == number
    start = flow.get_weights()
    flow.compile(keras.optimizers.Adam(0.1))
    flow.fit(X, verbose=0)
    trained = flow.get_weights()
    for before, after in zip(start, trained, strict=True):
        assert np.any(before != after)
    flow.save_weights(tmp_path / "flow.weights.h5")
    path = tf.train.Checkpoint(flow=flow).write(str(tmp_path / "checkpoint"))
    for restore in (
        lambda: flow.load_weights(tmp_path / "flow.weights.h5"),
        lambda: tf.train.Checkpoint(flow=flow).read(path),
    ):
        flow.set_weights(start)
        restore()
        for got, wanted in zip(flow.get_weights(), trained, strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", ["nested", "class"])
def test_networks_are_trained_and_saved(kind, tmp_path):
    flow = tfflows.Flow(fb.TFPStep(BIJECTORS[kind]()), (2,))
    check_training(flow, tmp_path)
    with pytest.raises(ValueError, match="to save, got"):
        flow.save(tmp_path / "flow.keras")


@pytest.mark.large
@pytest.mark.filterwarnings("ignore:::tensorflow_probability")
@pytest.mark.parametrize("kind", ["ffjord", "template", *BIJECTORS])
def test_networks_of_any_kind_are_trained_and_saved(kind, tmp_path):
    template = tfb.real_nvp_default_template
    more = {"ffjord": ffjord, "template": lambda: real_nvp(template([4]))}
    bijector = {**BIJECTORS, **more}[kind]()
    check_training(tfflows.Flow(fb.Chain([bijector]), (2,)), tmp_path)


@pytest.mark.parametrize("kind", ["partial", "method", "keras 2"])
def test_networks_are_found_when_a_step_is_built(kind):
    step = fb.TFPStep(BIJECTORS[kind]())
    tf.function(step.inverse)(X)  # builds on first use
    assert len(step.trainable_weights) == 4
    shapes = [tuple(weight.shape) for weight in step.trainable_weights]
    assert shapes == [(1, 4), (4,), (4, 2), (2,)]
    stock = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), step)
    assert len(stock.trainable_variables) == 4


def test_a_network_in_a_base_is_trained(tmp_path):
    normal = tfd.MultivariateNormalDiag(tf.zeros(2))
    base = tfd.TransformedDistribution(normal, in_closure())
    check_training(tfflows.Flow(tfb.Shift([1.0, 1.0]), (2,), base), tmp_path)
