"""Spline flows on images are what their paper and their authors' code say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.models import nsf_multiscale

TINY = {"num_steps": 1, "num_levels": 2, "width": 4, "num_blocks": 1, "num_bins": 2}


def kinds(steps):
    return [type(step).__name__ for step in steps]


def test_a_level_is_a_squeeze_glows_steps_with_splines_and_a_convolution():
    parts = {**TINY, "stacked": False, "split_priors": True}
    flow = nsf_multiscale((4, 4, 1), **parts)
    for level in flow.bijector.levels:
        squeeze, steps, last = level.steps
        assert kinds([squeeze, last]) == ["Squeeze", "Invertible1x1Conv"]
        (step,) = steps.steps
        assert kinds(step.steps) == ["ActNorm", "Invertible1x1Conv", "Invert"]
        coupling = step.steps[-1].step
        assert isinstance(coupling, fb.RationalQuadraticCoupling)
        shapes = [w.shape for w in coupling.weights if "kernel" in w.name]
        channels = level.steps[0].latent_event_shape[-1]
        inner = [(3, 3, 4, 4)] * 2
        outputs = channels // 2 * coupling.law.num_params
        assert shapes == [(1, 1, channels // 2, 4), *inner, (1, 1, 4, outputs)]
    assert len(flow.bijector.priors) == 1


def test_decode_inverts_encode_and_the_log_det_is_that_of_differences():
    parts = {**TINY, "factor_out": False, "dtype": "float64"}
    flow = nsf_multiscale((4, 4, 1), **parts)
    x = np.random.default_rng(0).normal(size=(32, 4, 4, 1))
    flow.initialize(x)
    randomize(flow, size=0.3)
    np.testing.assert_allclose(flow.decode(flow.encode(x)), x, atol=1e-6)
    shifts = 1e-5 * np.eye(16).reshape(16, 4, 4, 1)
    pairs = np.concatenate([x[:1] + shifts, x[:1] - shifts])
    z, log_det = flow.encode_and_log_det(pairs)
    jacobian = (z[:16] - z[16:]) / 2e-5
    np.testing.assert_allclose(
        np.mean(log_det), np.linalg.slogdet(jacobian)[1], atol=1e-4
    )


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((6, 4, 1), {}, "divisible by 4 for num_levels=2, got 6 x 4"),
        ((4, 4), {}, "images of shape"),
        ((4, 4, 1), {"num_bins": 1}, "num_bins >= 2"),
        ((4, 4, 1), {"bound": 0.0}, "bound > 0"),
        ((4, 4, 1), {"factor_out": "no"}, "factor_out"),
        ((4, 4, 1), {"n_bits": 5}, "n_bits with levels only"),
    ],
)
def test_what_does_not_fit_is_named(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        nsf_multiscale(shape, **{**TINY, **arguments})
