"""The contract of DESIGN: every check over every step."""

from __future__ import annotations

import inspect

import pytest

from tests import testing_utils
from tests.bijectors.step_table import ONE_PER_CLASS, STEPS

CHECKS = {
    name.removeprefix("check_"): check
    for name, check in vars(testing_utils).items()
    if name.startswith("check_")
}


# What depends on a step's class and on the layers below it, and takes longest: in the
# quick suite on one row per class, and per kind of head and network.
BY_CLASS = ("keras_model", "checkpoint", "mixed_precision")
BY_CLASS += ("stock_bijectors_accept_it", "transformed_distribution")
KINDS = {*ONE_PER_CLASS, "affine_glow_head", "affine_weight_norm", "affine_resnet"}
KINDS |= {"affine_array_mask", "permute_shuffle", "image_channel", "maf_residual"}
KINDS |= {"image_channel_weight_norm", "coupling_convnet", "coupling_conv_resnet"}


def marks(step, check):
    repeats = check in BY_CLASS and step not in KINDS
    return pytest.mark.large if repeats or check in STEPS[step].large else ()


@pytest.mark.parametrize(
    ("step", "check"),
    [
        pytest.param(step, check, marks=marks(step, check))
        for step in STEPS
        for check in CHECKS
    ],
)
def test_step(step, check, tmp_path):
    case = STEPS[step]
    if check in case.except_for:
        pytest.skip(case.except_for[check])
    arguments = {"folder": tmp_path}
    wanted = inspect.signature(CHECKS[check]).parameters
    CHECKS[check](case, **{k: v for k, v in arguments.items() if k in wanted})
