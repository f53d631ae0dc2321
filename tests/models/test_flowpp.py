"""Flow++ is what its paper and its authors' code say."""

from __future__ import annotations

import numpy as np
import pytest

import tfflows
from tfflows import bijectors as fb
from tfflows.models import flowpp
from tfflows.preprocessing import Dequantization, VariationalDequantization

TINY = {"num_components": 2, "width": 4, "num_blocks": 1, "num_heads": 2, "levels": 4}


def couplings_of(layer):
    parts = layer._flatten_layers()
    return [part for part in parts if isinstance(part, fb.MixtureLogisticCoupling)]


def test_couplings_split_columns_then_channels_then_columns():
    flow = flowpp((4, 8, 3), stacked=False, **TINY)
    masks = [(step.mask, step.reverse) for step in couplings_of(flow.bijector)]
    columns = [("columns", False), ("columns", True)]
    assert masks == [
        *(2 * columns),
        ("channel", False),
        ("channel", True),
        *columns,
        columns[0],
    ]
    noise = flow.dequantization.flow
    assert [step.mask for step in couplings_of(noise.bijector)] == ["columns"] * 4


def test_noise_is_uniform_at_the_start_or_throughout():
    flow = flowpp((2, 4, 1), couplings_per_part=(1, 1, 1), noise_couplings=1, **TINY)
    assert type(flow.dequantization) is VariationalDequantization
    x = np.random.default_rng(0).integers(0, 4, (3, 2, 4, 1))
    flow.initialize(x)
    np.testing.assert_allclose(flow.dequantize(x), x + 0.5, atol=1e-5)
    wanted = flow.distribution.log_prob(x + 0.5)
    np.testing.assert_allclose(flow.log_prob(x), wanted, rtol=1e-4)
    np.testing.assert_array_equal(flow.decode(flow.encode(x)), x)
    uniform = flowpp((2, 4, 1), noise="uniform", **TINY)
    assert type(uniform.dequantization) is Dequantization


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((3, 4, 1), {}, "height and width divisible by 2"),
        ((4, 6, 1), {}, "width divisible by 4.*got 6; what works: .* width of 8"),
        ((4, 4), {}, "images of shape"),
        ((4, 4, 1), {"couplings_per_part": (2, 2)}, "as three numbers"),
        ((4, 4, 1), {"num_heads": 3}, "num_heads that divides width=4"),
        ((4, 4, 1), {"num_components": 1}, "num_components >= 2"),
        ((4, 4, 1), {"noise": "gaussian"}, "'variational' or 'uniform'"),
    ],
)
def test_what_does_not_fit_is_named(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        tfflows.models.flowpp(shape, **{**TINY, **arguments})
