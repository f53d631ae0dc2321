"""What couplings, their laws, masks and heads promise."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks

WORDS = ("auto", "glow", "weight_norm", "pointwise")
HEADS = (*WORDS, lambda n: keras.layers.Dense(n, "tanh"))


def jacobian(function, x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = function(x)
    return tape.batch_jacobian(y, x, experimental_use_pfor=False).numpy()


@pytest.mark.parametrize("log_scale", ["tanh", "sigmoid", "exp"])
@pytest.mark.parametrize("head", HEADS[:3])
def test_every_coupling_starts_as_the_identity(log_scale, head):
    x = tf.constant(np.random.default_rng(0).normal(size=(5, 4)), tf.float32)
    step = fb.AffineCoupling(networks.MLP((8,)), log_scale=log_scale, head=head)
    z, log_det = step.inverse_and_log_det(x)
    np.testing.assert_allclose(z, x, rtol=1e-6)
    np.testing.assert_allclose(log_det, 0.0, atol=1e-6)


def test_an_additive_log_det_is_exactly_zero():
    step = fb.AdditiveCoupling(networks.MLP((8,)))
    step.build((None, 5))
    randomize(step)
    x = np.random.default_rng(0).normal(size=(5, 5))
    assert np.any(step.forward(x) != x.astype("float32"))
    np.testing.assert_array_equal(step.forward_log_det_jacobian(x), 0.0)
    np.testing.assert_array_equal(step.inverse_log_det_jacobian(x), 0.0)


@pytest.mark.parametrize("mask", ["half", "alternating", [0, 1, 1, 0, 0, 1]])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_jacobian_is_triangular_with_the_kept_part_first(mask, reverse):
    step = fb.AffineCoupling(networks.MLP((8,)), mask, reverse=reverse, dtype="float64")
    step.build((None, 6))
    randomize(step)
    kept = {"half": [1, 1, 1, 0, 0, 0], "alternating": [1, 0, 1, 0, 1, 0]}.get(
        mask if isinstance(mask, str) else "", mask
    )
    kept = np.asarray(kept, bool) ^ reverse
    order = np.argsort(~kept, kind="stable")
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 6)))
    permuted = jacobian(step.forward, x)[:, order][:, :, order]
    np.testing.assert_array_equal(np.triu(permuted, 1), 0.0)
    assert np.abs(np.tril(permuted, -1)).max() > 1e-3
    np.testing.assert_array_equal(
        permuted[:, : kept.sum(), : kept.sum()], [np.eye(3)] * 3
    )


def test_the_checkerboard_keeps_every_second_pixel():
    conv = keras.layers.Conv2D(4, 3, padding="same")
    step = fb.AffineCoupling(conv, "checkerboard")
    step.build((None, 3, 4, 2))
    randomize(step)
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 2)).astype("float32")
    same = np.isclose(step.forward(x), x).all(axis=(0, 3))
    np.testing.assert_array_equal(same, np.indices((3, 4)).sum(axis=0) % 2 == 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_columns_keep_every_second_one_and_condition_on_it_alone(reverse):
    conv = keras.layers.Conv2D(4, 3, padding="same")
    step = fb.AffineCoupling(conv, "columns", reverse=reverse)
    step.build((None, 3, 4, 2))
    randomize(step)
    assert step.event_ndims == 3
    assert conv.input.shape == (None, 3, 2, 2)
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 2)).astype("float32")
    same = np.isclose(step.forward(x), x).all(axis=(0, 1, 3))
    np.testing.assert_array_equal(same, [not reverse, reverse] * 2)
    with pytest.raises(ValueError, match="even width for the mask 'columns'"):
        fb.AffineCoupling(conv, "columns").build((None, 4, 3, 1))


def test_log_scales_stay_in_their_bounds():
    z, params = tf.ones((1, 1)), tf.constant([[0.0, 1e4]])
    at_most = -np.log(1.0 / (1.0 + np.exp(-2.0)))
    for law, bound in (
        (fb.AffineLaw("tanh", bound=1.5), 1.5),
        (fb.AffineLaw("sigmoid"), at_most),
    ):
        np.testing.assert_allclose(law.forward(z, params)[1], [[bound]], rtol=1e-6)
    log_det = fb.AffineLaw("exp").forward(z, params / 1e3)[1]
    np.testing.assert_allclose(log_det, [[10.0]])


@keras.saving.register_keras_serializable("test")
class CubicLaw(fb.CouplingLaw):
    """A user's law: x = z (1 + h^2)."""

    num_params = 1

    def forward(self, z, params):
        slope = 1.0 + params**2
        return z * slope, tf.math.log(slope)

    def inverse(self, x, params):
        slope = 1.0 + params**2
        return x / slope, -tf.math.log(slope)


def test_a_users_law_and_head_and_file(tmp_path):
    step = fb.Coupling(CubicLaw(), networks.MLP((8,)), head="weight_norm")
    model = keras.Sequential([keras.Input((4,)), step])
    randomize(step)
    z = np.ones((2, 4), "float32")
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(z), model(z))
    custom = fb.AdditiveCoupling(networks.MLP((8,)), head=HEADS[3])
    assert custom.forward(z).shape == (2, 4)


class OwnNet(keras.layers.Layer):
    """A user's conditioner: layers made in __init__, no build, takes the context."""

    def __init__(self):
        super().__init__()
        self.layers = [keras.layers.Dense(8), keras.layers.Dense(6)]

    def call(self, inputs, context=None):
        hidden = inputs
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden if context is None else hidden + context


def test_a_users_conditioner_is_built_trained_and_given_the_context():
    step = fb.AffineCoupling(OwnNet(), head=lambda n: keras.layers.Dense(n))
    x = tf.ones((2, 4))
    assert len(step.forward(x)) == 2
    assert len(step.trainable_variables) == 6
    without = step.forward(x)
    assert np.any(without != step.forward(x, context=tf.ones((2, 1))))


class NeedsContext(keras.layers.Layer):
    """Takes no context by default, but cannot do without."""

    def call(self, inputs, context=None):
        return keras.ops.concatenate([inputs, context], axis=-1)


def test_a_conditioner_that_fails_without_its_context_is_told_how_to_get_it():
    with pytest.raises((TypeError, ValueError)) as caught:
        fb.AffineCoupling(NeedsContext(), name="first").build((None, 4))
    (note,) = caught.value.__notes__
    assert "first: the conditioner was called without a context" in note
    assert "context_dim" in note


def test_mlp_and_resnet_take_a_context_of_their_size():
    for network in (
        networks.MLP((8,), context_dim=3),
        networks.ResNet(8, context_dim=3),
    ):
        step = fb.AffineCoupling(network)
        step.build((None, 4))
        randomize(step)
        x = tf.ones((2, 4))
        one, two = [step.forward(x, context=c * tf.ones((2, 3))) for c in (1.0, 2.0)]
        assert np.any(one != two)
        with pytest.raises(ValueError, match=r"shape \(None, 3\), got None"):
            step.forward(x)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fb.Coupling("cubic", networks.MLP((4,))), "'additive', 'affine'"),
        (lambda: fb.AdditiveCoupling(lambda x: x), "Keras layer"),
        (lambda: fb.AdditiveCoupling(networks.MLP((4,)), "thirds"), "got 'thirds'"),
        (lambda: fb.AdditiveCoupling(networks.MLP((4,)), [0, 2]), "of 0 and 1"),
        (lambda: fb.AffineCoupling(networks.MLP((4,)), log_scale="no"), "got 'no'"),
        (lambda: fb.AffineCoupling(networks.MLP((4,)), bound=0.0), "bound > 0"),
        (lambda: fb.AdditiveCoupling(networks.MLP((4,)), head="no"), "got 'no'"),
        (lambda: networks.MLP(()), "expected hidden_units"),
        (lambda: networks.ResNet(0), "expected width"),
    ],
)
def test_words_that_are_none_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("step", "shape", "message"),
    [
        (fb.AdditiveCoupling(networks.MLP((4,))), (None, 1), "2 or more elements"),
        (fb.AdditiveCoupling(networks.MLP((4,)), [1, 0]), (None, 3), r"shape \(3,\)"),
        (fb.AdditiveCoupling(networks.MLP((4,)), [1, 1]), (None, 2), "both 0 and 1"),
        (
            fb.AdditiveCoupling(keras.layers.Conv2D(4, 3), "channel"),
            (None, 8, 8, 2),
            r"features of shape \(None, 8, 8, 'F'\), got \(None, 6, 6, 4\)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_named(step, shape, message):
    with pytest.raises(ValueError, match=message):
        step.build(shape)
