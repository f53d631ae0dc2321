"""The writer: versions, the default signature, split, and nothing half-written."""

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfflows import Flow, bijectors, models
from tfflows.export import Provenance
from tfflows.export import export_saved_model as export_and_verify
from tfflows.export.writing.flow_signatures import flow_endpoints

export_saved_model = functools.partial(export_and_verify, verify=False)
SIGNATURES = ["decode", "encode", "info", "log_prob", "sample", "sample_n", "score"]


def names(folder):
    return sorted(os.listdir(folder))


def test_versions(scale_flow, tmp_path):
    directory = tmp_path / "new" / "model"
    assert export_saved_model(scale_flow, directory) == directory / "1"
    assert export_saved_model(scale_flow, str(directory), version=7) == directory / "7"
    (directory / "notes").mkdir()  # no version
    assert export_saved_model(scale_flow, directory) == directory / "8"
    assert names(directory) == ["1", "7", "8", "notes"]


def test_an_existing_version_is_kept(scale_flow, tmp_path):
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "precious").touch()
    with pytest.raises(FileExistsError, match=r"got 3, which exists .* the next, 4"):
        export_saved_model(scale_flow, tmp_path, version=3)
    assert names(tmp_path) == ["3"]
    assert names(tmp_path / "3") == ["precious"]


@pytest.mark.parametrize("version", [0, -1, "3", 1.5, True])
def test_a_version_is_a_positive_integer(scale_flow, tmp_path, version):
    with pytest.raises(ValueError, match="expected version >= 1, an integer"):
        export_saved_model(scale_flow, tmp_path, version=version)
    assert names(tmp_path) == []


@pytest.mark.parametrize("split", [False, True])
def test_a_failing_write_leaves_nothing(scale_flow, tmp_path, monkeypatch, split):
    archive = type(keras.export.ExportArchive())
    write_out = archive.write_out
    written = []

    def fail_after_writing(self, path, **options):
        write_out(self, path, **options)
        written.append(path)
        if len(written) > split:  # of the split ones the second
            raise OSError("disk full")

    monkeypatch.setattr(archive, "write_out", fail_after_writing)
    with pytest.raises(OSError, match="disk full"):
        export_saved_model(scale_flow, tmp_path, split=split)
    assert names(tmp_path) == []


def test_a_signature_is_traced_once(scale_flow, tmp_path, monkeypatch):
    decode, traces = Flow.decode, []

    def counting(self, *given):
        traces.append(given)
        return decode(self, *given)

    monkeypatch.setattr(Flow, "decode", counting)
    export_saved_model(scale_flow, tmp_path)
    assert len(traces) == 1


def test_another_user_may_read_an_export(scale_flow, tmp_path):
    path = export_saved_model(scale_flow, tmp_path / "model")
    made = tmp_path / "plain"
    made.mkdir()
    assert path.stat().st_mode == made.stat().st_mode


def test_default(scale_flow, tmp_path, worker):
    path = export_and_verify(scale_flow, tmp_path, default="sample")
    signatures = worker.signatures(path)
    assert sorted(signatures) == sorted([*SIGNATURES, "serving_default"])
    inputs = {"seed": np.int32([[1, 2]]), "temperature": np.float32([1])}
    default = worker.run(path, "serving_default", inputs)
    np.testing.assert_array_equal(default["x"], worker.run(path, "sample", inputs)["x"])


def test_split(scale_flow, tmp_path, worker):
    (tmp_path / "encode" / "4").mkdir(parents=True)
    assert export_and_verify(scale_flow, tmp_path, split=True) == tmp_path
    assert names(tmp_path) == SIGNATURES
    for name in SIGNATURES:
        assert "5" in names(tmp_path / name)
        signatures = worker.signatures(tmp_path / name / "5")
        assert sorted(signatures) == sorted([name, "serving_default"])
        assert signatures[name].inputs.keys() == (
            signatures["serving_default"].inputs.keys()
        )
    x = np.float32([[1, 2], [3, 4]])
    outputs = worker.run(tmp_path / "log_prob" / "5", "serving_default", {"x": x})
    np.testing.assert_allclose(outputs["log_prob"], scale_flow.log_prob(x), rtol=1e-5)
    with pytest.raises(FileExistsError):
        export_saved_model(scale_flow, tmp_path, version=4, split=True)


def test_an_unknown_default_is_refused(scale_flow, tmp_path):
    with pytest.raises(ValueError, match=r"expected default in \['log_prob', .* 'x'"):
        export_saved_model(scale_flow, tmp_path, default="x")
    with pytest.raises(ValueError, match="expected no default with split=True"):
        export_saved_model(scale_flow, tmp_path, default="sample", split=True)
    assert names(tmp_path) == []


def test_columns_are_as_many_as_the_model_takes(scale_flow, tmp_path):
    provenance = Provenance(columns=("a", "b", "c"))
    with pytest.raises(ValueError, match=r"a name for each column of \(2,\), got"):
        export_saved_model(scale_flow, tmp_path, provenance=provenance)
    assert names(tmp_path) == []


def test_an_uninitialised_model_is_refused(tmp_path):
    flow = models.realnvp((2,), num_couplings=1, hidden_units=(4,))
    with pytest.raises(ValueError, match=r"flow\.initialize\(batch\)"):
        export_saved_model(flow, tmp_path)
    assert names(tmp_path) == []


def test_another_model_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"expected a tfflows\.Flow, .* got Seq"):
        export_saved_model(model, tmp_path)
    assert names(tmp_path) == []


def test_training_leaves_no_xla_and_no_optimizer_in_an_export(tmp_path, worker):
    x = np.float32([[1, 2], [3, 4]])
    flow = Flow(bijectors.Scale(), (2,))
    fresh = export_saved_model(flow, tmp_path)
    flow.compile("adam", jit_compile=True)
    flow.fit(x, verbose=0)
    trained = export_saved_model(flow, tmp_path)
    assert variable_names(trained) == variable_names(fresh)
    # The C API process has XLA disabled and would answer with an error.
    outputs = worker.run(trained, "log_prob", {"x": x})
    np.testing.assert_allclose(outputs["log_prob"], flow.log_prob(x), rtol=1e-5)
    before = worker.run(fresh, "log_prob", {"x": x})
    assert np.all(outputs["log_prob"] != before["log_prob"])


def variable_names(path):
    return tf.train.list_variables(str(path / "variables" / "variables"))


@pytest.mark.parametrize(("levels", "dtype"), [(256, "uint8"), (257, "int32")])
def test_levels_decide_the_dtype_of_the_data(levels, dtype):
    flow = models.realnvp((2,), num_couplings=1, hidden_units=(4,), levels=levels)
    assert flow_endpoints(flow)["encode"].inputs[0].dtype == dtype


@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_float16", "float32"), ("float64", "float64")]
)
def test_floats_have_the_dtype_of_the_flow_path(policy, dtype):
    flow = models.nice((2,), num_couplings=1, hidden_units=(4,), dtype=policy)
    endpoints = flow_endpoints(flow)
    assert endpoints["log_prob"].inputs[0].dtype == dtype
    assert endpoints["decode"].inputs[0].dtype == dtype
    outputs = endpoints["encode"].function(tf.ones([3, 2], dtype))
    assert {value.dtype.name for value in outputs.values()} == {dtype}


LOAD = """
import sys
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
x = tf.constant([[1.0, 2.0]])
print(float(model.signatures["log_prob"](x=x)["log_prob"][0]))
names = {name.partition(".")[0] for name in sys.modules}
print(sorted(names & {"tfflows", "tensorflow_probability"}))
"""


@pytest.mark.large  # in the quick suite, the demo's test asks an export there
def test_loads_where_neither_tfflows_nor_tfp_is(scale_flow, tmp_path):
    path = export_saved_model(scale_flow, tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    value, modules = result.stdout.splitlines()[-2:]
    live = scale_flow.log_prob(np.float32([[1, 2]]))[0]
    np.testing.assert_allclose(float(value), live, rtol=1e-5)
    assert modules == "[]"
