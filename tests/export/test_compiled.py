"""Exports compiled by XLA: the same answers and refusals, where it is allowed."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from tfflows import Flow, bijectors
from tfflows.export import export_saved_model
from tfflows.export.c_api import CApiError
from tfflows.export.c_api_client import CApiWorker
from tfflows.export.writing.lint import lint

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only the Linux wheels of tensorflow have the C API"
)
X = np.float32([[0.5, -1.0], [2.0, 0.0], [1.0, 1.0]])
SEEDS = np.int32([[0, 1], [0, 2], [0, 3]])


@pytest.fixture(scope="module")
def path(scale_flow, tmp_path_factory):
    """Verified: 7 batch sizes of each signature are compiled."""
    folder = tmp_path_factory.mktemp("xla")
    return export_saved_model(scale_flow, folder, jit_compile=True)


@pytest.fixture(scope="module")
def allowing():
    with CApiWorker(xla=True) as worker:
        yield worker


def test_the_export_says_what_the_server_needs(path):
    assert {finding.rule for finding in lint(path)} == {"xla"}
    assert json.loads((path / "assets.extra" / "flow.json").read_text())["jit_compile"]
    card = (path / "MODEL_CARD.md").read_text()
    assert "--xla_cpu_compilation_enabled" in card


def test_a_server_that_does_not_allow_xla_refuses(path, worker):
    with pytest.raises(CApiError, match="XLA compilation disabled"):
        worker.run(path, "log_prob", {"x": X})
    # Neither is compiled: the size of one is an input, the other is made of strings.
    inputs = {
        "num_samples": np.int32(2),
        "seed": SEEDS[0],
        "temperature": np.float32(1.0),
    }
    assert worker.run(path, "sample_n", inputs)["x"].shape == (2, 2)
    assert worker.run(path, "info", {"dummy": np.int32([0])})["kind"] == [b"Flow"]


def test_it_answers_as_the_model(path, scale_flow, allowing):
    flow = scale_flow
    got = allowing.run(path, "log_prob", {"x": X})["log_prob"]
    np.testing.assert_allclose(got, flow.log_prob(X), rtol=1e-5)
    inputs = {"seed": SEEDS, "temperature": np.ones(3, "float32")}
    got = allowing.run(path, "sample", inputs)
    x, log_prob = flow.sample_rows_and_log_prob(*inputs.values())
    np.testing.assert_allclose(got["x"], x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["log_prob"], log_prob, rtol=1e-5)


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("log_prob", {"x": np.float32([[np.nan, 0.0]])}, "expected finite data"),
        ("log_prob", {"x": X[:, :1]}, "not compatible"),
        ("sample", {"seed": SEEDS, "temperature": -np.ones(3, "f")}, "temperature"),
        ("sample", {"seed": SEEDS, "temperature": np.ones(1, "f")}, "one temperature"),
    ],
    ids=["nan", "shape", "negative", "number"],
)
def test_what_xla_would_let_pass_is_refused(path, allowing, signature, inputs, message):
    with pytest.raises(CApiError, match=message) as error:
        allowing.run(path, signature, inputs)
    assert error.value.code == 3


def test_a_step_that_xla_cannot_compile_is_named(tmp_path):
    class Eager(bijectors.Scale):
        jit_obstacle = "it sorts"

        def __init__(self):
            super().__init__()
            self.supports_jit = False

    flow = Flow(Eager(), (2,))
    with pytest.raises(ValueError, match=r"jit_compile=False: step .* \(it sorts\)"):
        export_saved_model(flow, tmp_path, jit_compile=True)
    assert not list(tmp_path.iterdir())
