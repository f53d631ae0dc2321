"""Steps that are not finite: left out, counted, and the layer named."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb
from tfflows.networks import MLP
from tfflows.training import NotFiniteGuard, StopWhereDiverged, naming_not_finite

pytestmark = pytest.mark.filterwarnings("ignore:.*left out:UserWarning")

X = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
FAR = np.full((8, 2), 1e30, "float32")  # its density overflows


@keras.saving.register_keras_serializable("tests")
class Root(keras.layers.Layer):
    """Zero, with an infinite slope."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(), name="kernel")

    def call(self, x):
        return tf.sqrt(self.kernel - self.kernel + tf.zeros_like(x))


def make_flow(network=None, **adam):
    step = fb.AffineCoupling(network or MLP((4,)), mask="half")
    flow = tfflows.Flow(fb.Chain([fb.Scale(), step]), (2,))
    if network is not None:  # the head's zero start would hide the slope
        for weight in flow.trainable_weights:
            weight.assign(tf.ones_like(weight))
    flow.compile(keras.optimizers.Adam(0.1, **{"weight_decay": 0.1, **adam}))
    return flow


def fit(flow, *batches, **kwargs):
    data = tf.data.Dataset.from_tensor_slices(np.stack(batches))
    return flow.fit(data, verbose=0, shuffle=False, **kwargs).history


@pytest.mark.parametrize("weight_decay", [None, 0.1])  # without and with a branch
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(weight_decay):
    flow, other = [make_flow(weight_decay=weight_decay) for _ in range(2)]
    other.set_weights(flow.get_weights())
    losses = fit(flow, X, FAR, X)["loss"]
    assert losses == pytest.approx(fit(other, X, X)["loss"], rel=1e-6)
    variables = [[*f.variables, *f.optimizer.variables] for f in (flow, other)]
    for one, two in zip(*variables, strict=True):
        if "loss" not in one.path:
            np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert (flow.skipped_steps.total, flow.skipped_steps.in_a_row) == (1, 0)
    assert flow.optimizer.iterations == 2
    fit(flow, FAR, FAR)
    assert (flow.skipped_steps.total, flow.skipped_steps.in_a_row) == (3, 2)
    assert all(np.isfinite(weight).all() for weight in flow.get_weights())


@pytest.mark.parametrize("constraint", [None, keras.constraints.MaxNorm(1e-3)])
def test_a_first_step_that_is_not_finite_changes_nothing(constraint):
    dense = keras.layers.Dense(4, kernel_constraint=constraint)
    flow = tfflows.Flow(fb.AffineCoupling(dense), (2,))
    flow.compile(keras.optimizers.Adam(0.1, epsilon=0.0))  # 0 / 0 at moments of 0
    before = flow.get_weights()
    fit(flow, FAR)
    assert flow.skipped_steps.total == 1
    for one, two in zip(before, flow.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_statistics_of_a_step_that_is_left_out_do_not_count():
    flow = tfflows.Flow(fb.BatchNormalization(momentum=0.0), (2,))
    flow.initialize(X)
    flow.compile("adam")
    before = flow.get_weights()
    fit(flow, FAR * X)
    assert flow.skipped_steps.total == 1
    for one, two in zip(before, flow.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    fit(flow, 9 * X)
    assert not np.array_equal(flow.get_weights()[-2], before[-2])


def test_gradients_that_are_not_finite_are_a_reason_too():
    flow = make_flow(network=Root())
    before = flow.get_weights()
    history = fit(flow, X)
    assert np.isnan(history["loss"])
    assert history["skipped_steps"] == [1]
    for one, two in zip(before, flow.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def dense_layer(flow):
    layers = flow._flatten_layers()
    return next(layer for layer in layers if isinstance(layer, keras.layers.Dense))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (None, "finite values, got NaN: .* layer .*/dense.*, a Dense"),
        (Root(), "finite gradients, got NaN: .* gradient of .*/root.*/kernel"),
    ],
)
def test_the_layer_is_named(network, message):
    flow = make_flow(network=network)
    if network is None:
        kernel = dense_layer(flow).kernel
        kernel.assign(tf.fill(kernel.shape, np.nan))
    with pytest.raises(ValueError, match=message), naming_not_finite(flow):
        fit(flow, X)
    names = ("call", "_inverse_and_log_det")
    assert not any(n in vars(f) for f in flow._flatten_layers() for n in names)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            None,
            r"finite values, got NaN: .* step 2 of 3 of .*repeated.*, layer .*dense",
        ),
        (Root(), "finite gradients, got NaN: .* of .*root.*_kernel, step 1 of 3"),
    ],
)
def test_of_steps_that_are_stacked_the_number_is_named(network, message):
    step = fb.Repeated(fb.AffineCoupling(network or MLP((4,)), mask="half"), 3)
    flow = tfflows.Flow(step, (2,))
    for weight in flow.trainable_weights:
        weight.assign(tf.ones_like(weight))
    kernel = flow.trainable_weights[0]
    if network is None:
        kernel.assign(
            [
                value * (math.nan if k == 1 else 1.0)
                for k, value in enumerate(kernel.numpy())
            ]
        )
    flow.compile("adam")
    with pytest.raises(ValueError, match=message), naming_not_finite(flow):
        fit(flow, X)
    assert "passes" not in vars(step)


@pytest.mark.parametrize("name", ["loss", "val_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_training_stops_after_an_epoch_that_is_not_finite(name, value):
    stop = StopWhereDiverged()
    stop.on_epoch_end(0, {"loss": 1e30, "val_loss": -1e30, "other": math.nan})
    with pytest.raises(ValueError, match=rf"got {name} .*in epoch 2; lower trainer"):
        stop.on_epoch_end(1, {"loss": 1.0, "val_loss": 1.0, name: value})


def test_a_guard_sets_the_number_of_steps_in_a_row():
    model = tfflows.Flow(fb.Scale(), (2,))
    model.compile("sgd", max_skipped=None)
    with pytest.raises(ValueError, match="got 2 steps in a row without"):
        model.fit(FAR, batch_size=2, verbose=0, callbacks=[NotFiniteGuard(2)])
