"""TFLite and ONNX files of real exports: run, compared, and nothing half-written."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from tfflows.export.converting import converter
from tfflows.export.converting.converter import FORMATS, convert_saved_model
from tfflows.export.errors import ConversionRefusedError, ExportError

DRAWS = "noise of your own through decode"


def require(file_format):
    if file_format == "onnx":
        pytest.importorskip("tf2onnx", reason="needs the extra onnx")
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("export", "file_format"),
    [
        ("digits", "onnx"),
        pytest.param("plane", "tflite", marks=pytest.mark.large),
        pytest.param("digits", "tflite", marks=pytest.mark.large),
        pytest.param("class_glow", "onnx", marks=pytest.mark.large),
        pytest.param("class_glow", "tflite", marks=pytest.mark.large),
    ],
    indirect=["export"],
)
def test_files_answer_as_the_live_model(export, file_format, tmp_path):
    require(file_format)
    files, refused = convert_saved_model(export.path, tmp_path, file_format)
    assert names(tmp_path) == [
        f"{name}.{file_format}" for name in ("decode", "encode", "log_prob")
    ]
    assert DRAWS in refused["sample"]
    assert DRAWS in refused["sample_n"]
    flow, x, context = export.flow, export.data, export.context(5)
    others = {"sample", "sample_n", "score", "info"}
    assert set(refused) == others | ({"interpolate"} if flow.levels else set())

    def run(name, **inputs):
        return FORMATS[file_format].run(files[name], inputs)

    outputs = run("log_prob", x=x, **context)
    live = flow.log_prob(x, **context)
    np.testing.assert_allclose(outputs["log_prob"], live, rtol=1e-4)
    z = run("encode", x=x, **context)["z"]
    np.testing.assert_allclose(z, flow.encode(x, **context), rtol=1e-3, atol=1e-4)
    decoded = run("decode", z=z, **context)["x"]
    np.testing.assert_allclose(decoded, x, rtol=1e-3, atol=1e-3)


@pytest.fixture
def scale_version(scale_export):
    return scale_export / "1"


def test_a_signature_that_does_not_convert_is_named(
    scale_flow, scale_version, tmp_path
):
    files, refused = convert_saved_model(
        scale_version, tmp_path, "tflite", signatures=("decode", "sample")
    )
    assert list(files) == ["decode"]
    assert "no built-in op for" in refused["sample"]
    assert refused["log_prob"] == "not asked for"
    assert names(tmp_path) == ["decode.tflite"]
    z = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    decoded = FORMATS["tflite"].run(files["decode"], {"z": z})["x"]
    np.testing.assert_allclose(decoded, scale_flow.decode(z), rtol=1e-5)


def wrong_answer(path, inputs):
    return {"x": np.zeros((3, 2), np.float32)}


def wrong_name(path, inputs):
    return {"y": inputs["z"]}


def no_answer(path, inputs):
    raise RuntimeError("no such op")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (wrong_answer, "expected x of decode as the export gives it"),
        (wrong_name, r"expected the outputs \['x'\] of decode, got \['y'\]"),
        (no_answer, "file of decode that runs, got: no such op"),
    ],
)
def test_a_bad_file_is_not_kept(scale_version, tmp_path, monkeypatch, run, message):
    made = FORMATS["tflite"]._replace(make=lambda *_: b"a file", run=run)
    monkeypatch.setitem(converter.FORMATS, "tflite", made)
    (tmp_path / "decode.tflite").write_text("of an earlier version")
    with pytest.raises(ExportError, match=message):
        convert_saved_model(scale_version, tmp_path, "tflite", ("decode",))
    assert names(tmp_path) == ["decode.tflite"]
    assert (tmp_path / "decode.tflite").read_text() == "of an earlier version"


def test_a_converter_that_refuses_leaves_the_others(
    scale_version, tmp_path, monkeypatch
):
    signatures = tf.saved_model.load(str(scale_version)).signatures

    def make(path, name, function):
        if name == "encode":
            raise ConversionRefusedError("TFLite: no built-in op for Strange")
        return b"a file"

    def run(path, inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        outputs = signatures[path.stem](**tensors)
        return {key: value.numpy() for key, value in outputs.items()}

    fussy = FORMATS["tflite"]._replace(make=make, run=run)
    monkeypatch.setattr(converter, "FORMATS", {"tflite": fussy})
    files, refused = convert_saved_model(scale_version, tmp_path, "tflite")
    assert list(files) == ["log_prob", "decode"]
    assert refused["encode"] == "TFLite: no built-in op for Strange"


def test_what_is_no_export(tmp_path):
    with pytest.raises(ExportError, match="expected a SavedModel in"):
        convert_saved_model(tmp_path, tmp_path / "out", "tflite")
    with pytest.raises(ValueError, match="'tflite', 'onnx'"):
        convert_saved_model(tmp_path, tmp_path / "out", "coreml")
    assert not (tmp_path / "out").exists()


def test_a_converter_that_is_missing(scale_version, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'tfflows\[onnx\]'"):
        convert_saved_model(scale_version, tmp_path, "onnx")
    assert names(tmp_path) == []
