"""The verification of exports: each check fails where it should, and keeps nothing."""

import contextlib
import os

import numpy as np
import pytest
import tensorflow as tf

from tfflows import models
from tfflows.export import export_saved_model
from tfflows.export.c_api import CApiError
from tfflows.export.c_api_client import CApiWorker
from tfflows.export.errors import ExportError
from tfflows.export.flow_json import read_description
from tfflows.export.writing import trial, writer
from tfflows.export.writing.description import describe
from tfflows.export.writing.flow_signatures import flow_endpoints
from tfflows.export.writing.verification import Verification
from tfflows.provenance import Provenance


@pytest.fixture
def endpoints(scale_flow):
    return flow_endpoints(scale_flow)


@pytest.fixture
def verify(scale_flow, endpoints):
    """Verifies the endpoints, served by themselves but for a fault.

    `change(signature, inputs, outputs)` gives what is served of what should be.
    """

    def verify(change=lambda signature, inputs, outputs: outputs):
        def served(signature, inputs):
            tensors = map(tf.constant, inputs.values())
            outputs = endpoints[signature].function(*tensors)
            return change(signature, inputs, {k: v.numpy() for k, v in outputs.items()})

        description = describe(scale_flow, 1, Provenance())
        Verification(scale_flow, endpoints, description, served).run()

    return verify


def changed(endpoint, change):
    """The endpoint with other outputs: a fault of the model itself."""
    return endpoint._replace(function=lambda *x: change(endpoint.function(*x)))


def test_an_export_that_answers_as_its_model_passes(verify):
    verify()


@pytest.mark.parametrize("signature", ["log_prob", "encode", "score", "sample"])
def test_an_answer_that_differs_from_the_live_model(verify, signature):
    def change(name, inputs, outputs):
        factor = 1 + (1e-3 if name == signature else 0.0)
        return {k: (v * factor).astype(v.dtype) for k, v in outputs.items()}

    with pytest.raises(ExportError, match=f"{signature} as the live .* a difference"):
        verify(change)


def test_a_draw_that_depends_on_who_shares_the_batch(verify):
    def change(name, inputs, outputs):
        if name != "sample" or len(inputs["seed"]) == 3:
            return outputs
        return {**outputs, "x": outputs["x"] + 0.1 * len(inputs["seed"])}

    with pytest.raises(ExportError, match="sample whoever shares the batch; got in"):
        verify(change)


def test_equal_draws_for_different_seeds(verify, endpoints):
    endpoints["sample"] = changed(
        endpoints["sample"],
        lambda outputs: {k: tf.zeros_like(v) for k, v in outputs.items()},
    )
    with pytest.raises(ExportError, match="different samples for different seeds"):
        verify()


def test_a_wrong_inverse(verify, endpoints):
    endpoints["decode"] = changed(
        endpoints["decode"], lambda outputs: {"x": outputs["x"] + 1.0}
    )
    with pytest.raises(ExportError, match=r"decode\(encode\(x\)\) = x"):
        verify()


def test_a_wrong_density_of_the_samples(verify, endpoints):
    endpoints["sample"] = changed(
        endpoints["sample"],
        lambda outputs: {**outputs, "log_prob": outputs["log_prob"] + 1.0},
    )
    with pytest.raises(ExportError, match=r"log_prob\(sample\) = its log_prob"):
        verify()


def test_nan(verify, endpoints):
    endpoints["score"] = changed(
        endpoints["score"], lambda outputs: {k: v * np.nan for k, v in outputs.items()}
    )
    with pytest.raises(ExportError, match="NaN, which is no answer"):
        verify()


def test_an_error_of_the_export(scale_flow, tmp_path, monkeypatch):
    class Failing:
        def run(self, path, signature, inputs):
            if signature == "score":
                raise CApiError(13, "XLA compilation disabled")
            return worker.run(path, signature, inputs)

    with trial.open_worker() as worker:
        pass
    failing = contextlib.nullcontext(Failing())
    monkeypatch.setattr(trial, "open_worker", lambda xla: failing)
    with pytest.raises(ExportError, match="signature score, got: TensorFlow error 13"):
        export_saved_model(scale_flow, tmp_path)
    assert os.listdir(tmp_path) == []


def test_double_precision_fewer_bits_and_recomputed_activations(tmp_path):
    x = np.random.default_rng(0).normal(size=[32, 3])
    flow = models.nice((3,), num_couplings=2, hidden_units=(8,), dtype="float64")
    flow.initialize(x)
    path = export_saved_model(flow, tmp_path / "double")
    assert read_description(path)["dtype"] == "float64"

    images = np.random.default_rng(0).integers(256, size=[32, 2, 2, 1])
    small = {"num_steps": 1, "num_levels": 1, "width": 4}
    small["backprop"] = "reversible"
    flow = models.glow((2, 2, 1), levels=256, n_bits=3, **small)
    flow.initialize(images)
    path = export_saved_model(flow, tmp_path / "bits")
    assert read_description(path)["levels"] == 256


def test_what_fails_is_not_exported(scale_flow, tmp_path, monkeypatch):
    def fail(self):
        raise ExportError("expected of the export: this")

    monkeypatch.setattr(Verification, "run", fail)
    for split in (False, True):
        with pytest.raises(ExportError, match="of the export: this"):
            export_saved_model(scale_flow, tmp_path, split=split)
    assert os.listdir(tmp_path) == []


def test_a_signature_with_a_fault_is_not_exported(scale_flow, tmp_path, monkeypatch):
    @tf.function(jit_compile=True)
    def compiled(x):
        return {"y": x + 1.0}

    endpoints = flow_endpoints(scale_flow)
    fault = endpoints["encode"]._replace(function=compiled)
    monkeypatch.setattr(writer, "flow_endpoints", lambda _: {"encode": fault})
    with pytest.raises(ExportError, match=r"remove jit_compile=True"):
        export_saved_model(scale_flow, tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("own_worker")
def test_where_there_is_no_c_api_it_says_so_and_goes_on(
    scale_flow, tmp_path, monkeypatch
):
    def no_library():
        raise OSError("expected Linux, whose wheel has the C API, got darwin")

    monkeypatch.setattr(trial, "find_library", no_library)
    with pytest.warns(
        UserWarning, match="the export is not verified, .* expected Linux"
    ):
        path = export_saved_model(scale_flow, tmp_path)
    assert (path / "saved_model.pb").is_file()
    assert not list(path.rglob("*warmup*"))  # none that nobody has run


def test_two_servers_draw_the_same_for_the_same_seed(worker, export):
    if export.flow.name != "realnvp" or len(export.flow.event_shape) > 1:
        pytest.skip("one flow is enough")
    inputs = {"temperature": np.ones(3, np.float32)}
    seeds = np.arange(6, dtype=np.int32).reshape(3, 2)
    with CApiWorker() as other:
        first, second, third = (
            server.run(export.path, "sample", {"seed": seeds + start, **inputs})
            for server, start in ((worker, 0), (other, 0), (other, 9))
        )
    np.testing.assert_allclose(first["x"], second["x"], rtol=1e-6)
    assert np.all(np.any(first["x"] != third["x"], axis=1))


@pytest.mark.usefixtures("own_worker")
def test_one_worker_of_its_own_does_all(scale_flow, tmp_path, monkeypatch):
    opened = []
    open_worker = trial.open_worker

    @contextlib.contextmanager
    def counted(xla):
        with open_worker(xla) as worker:
            opened.append(worker.pid)
            yield worker

    monkeypatch.setattr(trial, "open_worker", counted)
    path = export_saved_model(scale_flow, tmp_path)
    assert (path / "assets.extra" / "tf_serving_warmup_requests").is_file()
    assert len(opened) == 1  # for all checks
    assert not os.path.exists(f"/proc/{opened[0]}")
