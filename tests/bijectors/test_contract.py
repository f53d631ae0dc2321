"""The contract of DESIGN: every check over every step."""

from __future__ import annotations

import inspect

import pytest

from tests import testing_utils
from tests.bijectors.step_table import STEPS

CHECKS = {
    name.removeprefix("check_"): check
    for name, check in vars(testing_utils).items()
    if name.startswith("check_")
}


@pytest.mark.parametrize(
    ("step", "check"),
    [
        pytest.param(step, check, marks=[pytest.mark.large] * (check in case.large))
        for step, case in STEPS.items()
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
