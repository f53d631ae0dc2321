"""NICE and RealNVP are what their papers say."""

from __future__ import annotations

import numpy as np
import pytest

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb


def steps_of(flow, kind):
    return [layer for layer in flow._flatten_layers() if isinstance(layer, kind)]


def test_nice_is_additive_couplings_a_scale_and_a_logistic_base():
    flow = tfflows.models.nice((6,), hidden_units=(8, 8), stacked=False)
    couplings = flow.bijector.steps[:-1]
    assert {type(step) for step in couplings} == {fb.AdditiveCoupling}
    assert [step.reverse for step in couplings] == [False, True, False, True]
    assert {step.mask for step in couplings} == {"alternating"}
    (scale,) = steps_of(flow, fb.Scale)
    assert flow.bijector.steps[-1] is scale
    logistic = tfflows.distributions.StandardLogistic
    assert isinstance(flow.base.distribution, logistic)
    randomize(flow)
    log_det = flow.encode_and_log_det(np.ones((3, 6)))[1]
    np.testing.assert_allclose(log_det, -np.sum(scale.log_scale), rtol=1e-5)


def test_nice_mnists_size_is_the_papers():
    flow = tfflows.models.nice((28, 28, 1), levels=256)
    one = 392 * 1000 + 1000 + 4 * (1000 * 1000 + 1000) + 1000 * 392 + 392
    assert sum(w.numpy().size for w in flow.trainable_weights) == 4 * one + 784


@pytest.mark.parametrize("network", ["mlp", "resnet"])
def test_realnvp_alternates_halves_after_actnorms(network):
    flow = tfflows.models.realnvp(
        (5,), num_couplings=3, hidden_units=(8,), network=network, standardize=True
    )
    couplings = flow.bijector.steps[1::2]
    assert {type(step) for step in couplings} == {fb.AffineCoupling}
    assert [step.reverse for step in couplings] == [False, True, False]
    assert len(steps_of(flow, fb.ActNorm)) == 4  # Standardize is one of the kind
    x = np.random.default_rng(0).normal(3.0, 9.0, (99, 5))
    flow.initialize(x)
    z = flow.encode(x)
    np.testing.assert_allclose(np.mean(z, axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(np.std(z, axis=0), 1.0, atol=1e-3)


def test_unknown_parts_are_named():
    with pytest.raises(ValueError, match="network 'mlp' or 'resnet', got 'cnn'"):
        tfflows.models.realnvp((2,), network="cnn")
    with pytest.raises(ValueError, match="2 or more elements"):
        tfflows.models.nice((1,))


@pytest.mark.parametrize("number", [0, -1, 1.5, "4"])
def test_numbers_of_parts_are_checked(number):
    for build in (tfflows.models.nice, tfflows.models.realnvp):
        with pytest.raises(ValueError, match="expected num_couplings >= 1"):
            build((4,), num_couplings=number)
    for build in (tfflows.models.glow, tfflows.models.realnvp_multiscale):
        with pytest.raises(ValueError, match="expected num_levels >= 1"):
            build((4, 4, 2), num_levels=number)
    with pytest.raises(ValueError, match="expected num_steps >= 1"):
        tfflows.models.glow((4, 4, 2), num_levels=1, num_steps=number)


@pytest.mark.parametrize("family", ["realnvp", "iaf", "planar_vae"])
def test_a_misspelt_keyword_is_told_its_neighbour(family):
    with pytest.raises(TypeError, match=r"got 'evaluation_draw'; did you mean eval"):
        getattr(tfflows.models, family)((4,), evaluation_draw=2)
    with pytest.raises(TypeError, match="got 'colour'; known: "):
        getattr(tfflows.models, family)((4,), colour=2)
