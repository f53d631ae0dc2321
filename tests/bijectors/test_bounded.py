"""Logit, Rescale, Permute, TFPStep: what the contract's table does not show."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfflows import bijectors as fb
from tfflows.backend.tfp.config import from_tfp_config, to_tfp_config


def test_logit_is_finite_at_both_ends_of_the_range_with_alpha():
    step = fb.Logit(0.05, 0.0, 256.0)
    x = np.array([[0.0, 255.9999]], "float32")
    z, log_det = step.inverse_and_log_det(x)
    assert np.isfinite(z).all()
    assert np.isfinite(log_det).all()
    np.testing.assert_allclose(step.forward(tf.identity(z)), x, atol=1e-3)


@pytest.mark.parametrize("levels", [7, 14, 15, 17, 28, 60, 240, 256])
def test_logit_without_alpha_takes_all_that_dequantization_gives(levels):
    last = np.float32(levels - 1) + np.float32(1 - np.spacing(np.float32(levels)))
    step = fb.Logit(0.0, 0.0, levels)
    z, log_det = step.inverse_and_log_det(np.array([[0.0, last]], "float32"))
    assert np.isfinite(z).all()
    assert np.isfinite(log_det).all()
    saturated = step.forward(np.array([[-200.0, 200.0]]))
    assert np.isfinite(step.inverse(saturated)).all()


def test_logit_names_its_domain_in_eager_mode_and_in_a_graph():
    step = fb.Logit()
    for x in ([[0.5, 1.5]], [[np.nan, 0.5]], [[-1e-6, 0.5]]):
        with pytest.raises(ValueError, match=r"inside \(0, 1\)"):
            step.inverse(np.array(x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="inside"):
        tf.function(step.inverse)(tf.constant([[0.5, 1.5]]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fb.Logit(0.5), "alpha >= 0 and < 0.5"),
        (lambda: fb.Logit(0.1, 1.0, 1.0), "low < high"),
        (lambda: fb.Rescale(0.0, np.inf), "finite (high|low <)"),
        (lambda: fb.Permute("up"), "got 'up'"),
        (lambda: fb.Permute([0, 0, 1]), "expected a permutation"),
        (lambda: fb.Permute([1, 0]).build((None, 3)), "expected 3 indices"),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_permutations_are_the_ones_named():
    x = np.arange(5.0)[np.newaxis]
    np.testing.assert_array_equal(fb.Permute().forward(x), x[:, ::-1])
    np.testing.assert_array_equal(fb.Permute([1, 2, 0]).forward(x[:, :3]), [[1, 2, 0]])
    shuffle = [
        fb.Permute("shuffle", seed=seed).forward(x).numpy() for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(shuffle[0], shuffle[1])
    assert np.any(shuffle[0] != shuffle[2])


def test_a_tfp_step_trains_saves_and_keeps_the_bijectors_variables():
    scale = tf.Variable([1.0, 2.0])
    step = fb.TFPStep(tfb.Chain([tfb.Scale(scale), tfb.Softplus()]))
    (weight,) = step.trainable_variables
    assert weight.value is scale
    scale.assign([3.0, 4.0])
    copy = fb.TFPStep.from_config(step.get_config())
    z = tf.ones((1, 2))
    np.testing.assert_allclose(copy.forward(z), step.forward(z))


def test_a_tfp_object_without_a_plain_config_is_named():
    own = tfb.Inline(
        forward_fn=tf.exp, inverse_fn=tf.math.log, forward_min_event_ndims=0
    )
    with pytest.raises(ValueError, match=r"Inline.forward_fn: expected .*got function"):
        to_tfp_config(own)
    with pytest.raises(ValueError, match=r"expected a tfb\.Bijector or"):
        to_tfp_config("exp")
    nested = tfb.Invert(tfb.Chain([tfb.Exp(), tfb.Shift(np.float32(2.0))]))
    again = from_tfp_config(to_tfp_config(nested))
    np.testing.assert_allclose(again.forward(9.0), nested.forward(9.0))
