"""Order, direction and the start from data of nested steps."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def test_a_chain_has_the_order_of_tfb_chain():
    parts = [tfb.Shift(1.0), tfb.Scale(tf.constant([2.0, 3.0])), tfb.Exp()]
    z = tf.constant([[0.1, -0.4]])
    ours, stock = fb.Chain(parts), tfb.Chain(parts)
    np.testing.assert_allclose(ours.forward(z), stock.forward(z), rtol=1e-6)
    np.testing.assert_allclose(
        ours.forward_log_det_jacobian(z),
        stock.forward_log_det_jacobian(z, event_ndims=1),
        rtol=1e-6,
    )


def test_initialize_normalises_every_actnorm_in_either_direction():
    rng = np.random.default_rng(0)
    batch = rng.normal(3.0, 5.0, (200, 4)).astype("float32")
    for direction in ("inverse", "forward"):
        chain = fb.Chain([fb.ActNorm(), fb.Permute(), fb.Scale(), fb.ActNorm()])
        chain.build((None, 4))
        randomize(chain.steps[2])
        assert not chain.is_initialized
        out = chain.initialize(batch, direction=direction)
        assert chain.is_initialized
        np.testing.assert_allclose(tf.reduce_mean(out, 0), 0.0, atol=1e-3)
        np.testing.assert_allclose(tf.math.reduce_std(out, 0), 1.0, atol=1e-3)
        step = chain.steps[0] if direction == "inverse" else chain.steps[3]
        value = getattr(step, direction)(batch)
        np.testing.assert_allclose(tf.math.reduce_std(value, 0), 1.0, atol=1e-3)


def test_invert_flips_the_direction_of_the_start():
    batch = np.random.default_rng(0).normal(3.0, 5.0, (200, 2)).astype("float32")
    step = fb.Invert(fb.ActNorm())
    np.testing.assert_allclose(
        tf.math.reduce_std(step.initialize(batch), 0), 1.0, atol=1e-3
    )
    np.testing.assert_allclose(
        tf.math.reduce_std(step.inverse(batch), 0), 1.0, atol=1e-3
    )


def test_actnorm_starts_once_and_never_again_after_a_reload(tmp_path):
    rng = np.random.default_rng(0)
    step = fb.ActNorm()
    step.initialize(rng.normal(3.0, 5.0, (50, 2)))
    shift = step.shift.numpy()
    step.initialize(rng.normal(-9.0, 1.0, (50, 2)))
    np.testing.assert_array_equal(step.shift, shift)
    model = keras.Sequential([keras.Input((2,)), step])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert loaded.is_initialized
    loaded.initialize(rng.normal(-9.0, 1.0, (50, 2)))
    np.testing.assert_array_equal(loaded.shift, shift)


def test_a_constant_channel_is_centred_with_a_warning_that_names_the_layer():
    batch = np.stack([np.full(9, 7.0), np.arange(9.0)], axis=1)
    step = fb.ActNorm(name="here")
    with pytest.warns(UserWarning, match=r"here: channels \[0\] are constant"):
        out = step.initialize(batch)
    np.testing.assert_allclose(out[:, 0], 0.0, atol=1e-6)
    assert np.isfinite(step.inverse_log_det_jacobian(batch)).all()


def test_calls_never_assign():
    step = fb.ActNorm()
    step.build((None, 3))
    step.inverse(np.random.default_rng(0).normal(5.0, 2.0, (20, 3)))
    assert not step.is_initialized
    np.testing.assert_array_equal(step.shift, 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_initialize_refuses_values_that_are_not_finite(value):
    with pytest.raises(ValueError, match="expected finite values"):
        fb.ActNorm().initialize(np.full((3, 2), value))


def test_initialize_is_eager_and_has_two_directions():
    step = fb.ActNorm()
    with pytest.raises(ValueError, match="expected eager mode"):
        tf.function(step.initialize)(tf.ones((3, 2)))
    with pytest.raises(ValueError, match="'forward' or 'inverse', got 'back'"):
        step.initialize(tf.ones((3, 2)), direction="back")


def test_parts_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="expected a FlowStep or"):
        fb.Chain([keras.layers.Dense(2)])
    shared = fb.Scale()
    with pytest.raises(ValueError, match="distinct objects"):
        fb.Chain([shared, shared])
    built = fb.Scale()
    built.build((None, 3))
    with pytest.raises(ValueError, match=r"shape \(4,\), got a step built for \(3,\)"):
        fb.Chain([built]).build((None, 4))
    with pytest.raises(ValueError, match="multipart"):
        fb.TFPStep(tfb.Split(2))


def test_a_checkpoint_holds_weights_in_lists_too(tmp_path):
    def fresh():
        chain = fb.Chain([fb.AffineCoupling(networks.MLP((8, 8))), fb.Scale()])
        chain.build((None, 4))
        return chain

    chain, other = fresh(), fresh()
    randomize(chain)
    path = tf.train.Checkpoint(chain=chain).write(str(tmp_path / "checkpoint"))
    assert len(tf.train.list_variables(path)) == len(chain.weights) + 1
    tf.train.Checkpoint(chain=other).read(path).assert_consumed()
    for ours, theirs in zip(chain.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_steps_inside_stock_composites_are_unwrapped():
    scale = fb.Scale()
    stock = tfb.Chain([tfb.Shift(1.0), tfb.Invert(scale), fb.ActNorm()])
    chain = fb.Chain([stock])
    chain.build((None, 3))
    assert len(chain.trainable_variables) == 3
    assert not chain.is_initialized
    randomize(chain)
    x = np.random.default_rng(0).normal(size=(4, 3))
    copy = fb.Chain.from_config(chain.get_config())
    copy.build((None, 3))
    copy.set_weights(chain.get_weights())
    np.testing.assert_array_equal(copy.inverse(x), chain.inverse(x))
    np.testing.assert_allclose(chain.inverse(x), stock.inverse(x), rtol=1e-5)
    with pytest.raises(ValueError, match="outside of a stock tfb"):
        fb.Chain([tfb.JointMap([fb.Scale()])])


def test_a_users_own_bijector_is_used_but_not_saved_as_tfps_namesake():
    class Shift(tfb.Shift):
        pass

    step = fb.TFPStep(Shift(2.0))
    np.testing.assert_allclose(step.forward(np.ones((1, 2))), 3.0)
    with pytest.raises(ValueError, match="for a map of your own"):
        step.get_config()


def test_steps_of_different_dtypes_are_named():
    with pytest.raises(ValueError, match="dtype float64, that of its neighbours"):
        fb.Chain([fb.Scale()], dtype="float64").build((None, 2))
    assert fb.Chain([fb.Scale(dtype="float64")]).dtype == tf.float64
    assert fb.Chain([tfb.Exp(), tfb.Shift(np.ones(2))]).dtype == tf.float64


def test_a_failed_start_leaves_no_step_started():
    chain = fb.Chain([fb.ActNorm(), fb.Logit()])
    with pytest.raises(ValueError, match="inside"):
        chain.initialize(np.random.default_rng(0).normal(size=(9, 2)))
    assert not chain.steps[0].is_initialized
    with pytest.raises(ValueError, match="one or more"):
        fb.ActNorm().initialize(np.zeros((0, 2)))


@pytest.mark.parametrize("assigns", [False, True])
def test_repeats_start_with_the_weights_of_new_copies(assigns):
    class Step(fb.AffineCoupling):
        def build(self, data_shape):
            super().build(data_shape)
            if assigns:
                self._head.bias.assign_add(tf.range(4.0))

    def step():
        return Step(networks.MLP((5, 3), name="network"), name="coupling")

    keras.utils.set_random_seed(0)
    copies = [step() for _ in range(3)]
    for copy in copies:
        copy.build((None, 4))
    keras.utils.set_random_seed(0)
    repeated = fb.Repeated(step(), 3)
    keras.utils.set_random_seed(0)
    repeated.build((None, 4))
    for stack, *single in zip(
        repeated.stacks, *(c.variables for c in copies), strict=True
    ):
        if assigns and "kernel" in stack.path:  # then the trial draws seeds, too
            continue
        assert tf.reduce_all(stack == tf.stack([v.value for v in single]))
