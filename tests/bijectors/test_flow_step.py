"""The class mix, point by point, and what every step owes its caller."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows
from tfflows import bijectors as fb
from tfflows import networks


class Doubling(fb.FlowStep):
    """A user's own step, written by the documented recipe."""

    def build(self, input_shape):
        self.shift = self.add_weight(shape=input_shape[-1:], name="shift")

    def _forward_and_log_det(self, z, context=None):
        log_det = z.shape[-1] * tf.math.log(tf.constant(2.0, z.dtype))
        x = 2.0 * z + self.shift
        if context is not None:
            x += context
        return x, tf.fill(tf.shape(z)[:1], log_det)

    def _inverse_and_log_det(self, x, context=None):
        if context is not None:
            x -= context
        log_det = -x.shape[-1] * tf.math.log(tf.constant(2.0, x.dtype))
        return (x - self.shift) / 2.0, tf.fill(tf.shape(x)[:1], log_det)


def coupling(**kwargs):
    return fb.AffineCoupling(networks.MLP((8,)), **kwargs)


def test_point_1_keras_can_name_it():
    step = Doubling(name="mine")
    assert step.name == "mine"
    step.name = "other"
    assert step.name == "other"
    assert Doubling().name != Doubling().name


def test_point_2_a_call_on_a_tensor_is_keras_and_on_a_distribution_is_tfp():
    step = Doubling()
    np.testing.assert_allclose(step(np.ones((2, 3))), step.forward(np.ones((2, 3))))
    assert isinstance(step(keras.Input((3,))), keras.KerasTensor)
    base = tfd.MultivariateNormalDiag(tf.zeros(3))
    z = tf.ones((2, 3))
    transformed = step(base)
    np.testing.assert_allclose(
        transformed.log_prob(step.forward(z)),
        base.log_prob(z) - step.forward_log_det_jacobian(z),
        rtol=1e-5,
    )
    composed = step(tfb.Exp())
    np.testing.assert_allclose(composed.forward(z), step.forward(tf.exp(z)))


def test_point_3_dtype_is_one_that_tfp_understands():
    assert Doubling(dtype="float64").dtype == tf.float64
    assert Doubling(dtype="mixed_float16").dtype == tf.float32
    assert Doubling(dtype="bfloat16").flow_dtype == tf.float32
    chain = tfb.Chain([Doubling(dtype="float64"), tfb.Exp()])
    assert chain.forward(tf.zeros([2, 3], tf.float64)).dtype == tf.float64


def test_point_3_the_flow_path_is_never_half_inside_a_half_model():
    step = coupling(dtype="mixed_float16")
    inputs = keras.Input((4,), dtype="float16")
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="float16")(step(inputs)))
    assert model(tf.ones((2, 4), tf.float16)).dtype == tf.float16
    assert {w.dtype for w in step.weights} == {"float32"}
    assert step.forward(tf.fill((1, 4), 1e5)).dtype == tf.float32  # inf in float16


def test_point_4_equal_configs_are_two_keys():
    first, second = fb.Scale(), fb.Scale()
    assert first != second
    assert len({first: 1, second: 2}) == 2


def test_point_5_nothing_is_stale_after_an_assignment():
    step = Doubling()
    z = tf.ones((2, 3))
    before = step.forward(z)
    assert step.inverse(before) is not z
    step.shift.assign([1.0, 1.0, 1.0])
    np.testing.assert_allclose(step.forward(z), before + 1.0 - (before - 2.0))


def test_point_6_tfp_and_keras_train_the_same_variables():
    step = coupling()
    step.build((None, 4))
    stock = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(4)), step)
    assert len(stock.trainable_variables) == len(step.trainable_variables) == 4
    with tf.GradientTape() as tape:
        loss = stock.log_prob(tf.ones((2, 4)))
    gradients = tape.gradient(loss, stock.trainable_variables)
    assert all(gradient is not None for gradient in gradients)
    assert (
        not tf.train.Checkpoint(step=step)._trackable_children().get("_tfp_variables")
    )


def test_point_7_no_keras_2_object_is_in_a_model():
    tf_keras = pytest.importorskip("tf_keras")
    flow = tfflows.models.realnvp((2,), num_couplings=2, hidden_units=(4,))
    layers = flow._flatten_layers()
    assert len(list(layers)) > 4
    assert not [
        m for m in flow._flatten_layers() if isinstance(m, tf_keras.layers.Layer)
    ]


@pytest.mark.parametrize(
    "use",
    [
        lambda s, v: s.forward(v),
        lambda s, v: s.inverse(v),
        lambda s, v: s.forward_log_det_jacobian(v),
        lambda s, v: s.inverse_log_det_jacobian(v, event_ndims=1),
        lambda s, v: s.forward_and_log_det(v),
        lambda s, v: s.inverse_and_log_det(v),
        lambda s, v: s(v),
        lambda s, v: s.initialize(v),
    ],
)
def test_it_builds_on_first_use_through_any_public_method(use):
    step = coupling()
    use(step, tf.ones((3, 4)))
    assert step.built
    assert step.data_event_shape == (4,)
    assert len(step.trainable_variables) == 4


@pytest.mark.parametrize(
    ("shape", "event"), [((4,), (4,)), ((5, 7, 4), (4,)), ((5, 3, 7, 4), (3, 7, 4))]
)
def test_first_use_takes_the_last_axis_or_an_image(shape, event):
    step = fb.ActNorm()
    assert step.inverse_log_det_jacobian(tf.ones(shape)).shape == shape[: -len(event)]
    assert step.data_event_shape == event


def test_it_builds_on_first_use_inside_a_function():
    step = coupling()
    np.testing.assert_allclose(tf.function(step.forward)(tf.ones((3, 4))), 1.0)
    assert step.trainable_variables[0].numpy().shape == (2, 8)


def test_event_ndims_beyond_the_steps_own_are_summed():
    step = Doubling()
    z = tf.ones((5, 2, 3))
    np.testing.assert_allclose(
        step.forward_log_det_jacobian(z, event_ndims=1), np.full((5, 2), 3 * np.log(2))
    )
    np.testing.assert_allclose(
        step.forward_log_det_jacobian(z, event_ndims=2), np.full(5, 6 * np.log(2))
    )
    with pytest.raises(ValueError, match="expected event_ndims >= 1, got 0"):
        step.forward_log_det_jacobian(z, event_ndims=0)


def test_a_step_that_changes_shapes_asks_to_be_built():
    with pytest.raises(
        ValueError, match="build\\(data_shape\\) or initialize\\(batch\\)"
    ):
        fb.Flatten().forward(tf.ones((2, 12)))
    step = fb.Flatten()
    step.build((None, 2, 3, 2))
    assert step.forward(tf.ones((5, 12))).shape == (5, 2, 3, 2)
    assert (step.forward_min_event_ndims, step.inverse_min_event_ndims) == (1, 3)
    assert step.inverse_event_shape([2, 3, 2]) == [12]
    assert list(step.forward_event_shape_tensor([12])) == [2, 3, 2]


def test_a_step_without_an_inverse_names_the_way_out():
    class OneWay(fb.FlowStep):
        has_inverse = False

        def _forward_and_log_det(self, z, context=None):
            return z, tf.zeros(tf.shape(z)[:1])

    step = OneWay()
    with pytest.raises(fb.InverseNotAvailable, match="sample_and_log_prob"):
        step.inverse(tf.ones((2, 3)))
    assert not fb.Chain([fb.Scale(), step]).has_inverse
    assert fb.Invert(step).inverse(tf.ones((2, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("shape", "event_ndims", "message"),
    [
        ((None,), None, "got \\(None,\\)"),
        ((None, None), None, "of known size"),
        ((None, 3), 3, "with 3 event axes"),
    ],
)
def test_a_build_shape_that_is_none_is_named(shape, event_ndims, message):
    with pytest.raises(ValueError, match=message):
        fb.Logit(event_ndims=event_ndims).build(shape)


def test_context_reaches_the_step_through_leading_axes():
    step = Doubling()
    z, context = tf.zeros((2, 5, 3)), tf.reshape(tf.range(30.0), (2, 5, 3))
    x = step.forward(z, context=context)
    np.testing.assert_allclose(x - step.forward(z), context, rtol=1e-5)
    np.testing.assert_allclose(step.inverse(x, context=context), 0.0, atol=1e-5)
    with pytest.raises(ValueError, match=r"leading axes \(2, 5\)"):
        step.forward(z, context=tf.zeros((5, 3)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([["a"]]), "numeric|real numbers"),
        (np.ones((2, 3), "complex64"), "got dtype complex64"),
        (None, "got NoneType"),
    ],
)
def test_what_is_not_a_number_is_named(value, message):
    with pytest.raises(ValueError, match=message):
        Doubling().forward(value)
