"""The binary: flags, exit codes, one line for an error."""

import sys

import pytest

from tfflows.export import Provenance, main
from tfflows.export.converting import converter
from tfflows.zoo import cli, factory
from tfflows.zoo.running import provenance


@pytest.fixture
def call(tmp_path, monkeypatch, scale_flow, capsys):
    """Runs the binary: its exit code, the lines of stdout, and of stderr the errors."""
    monkeypatch.setattr(factory, "load", lambda model_dir: scale_flow)
    mine = Provenance(model="mine")
    monkeypatch.setattr(provenance, "of_run", lambda model_dir: mine)

    def call(*arguments):
        line = ["tfflows-export", *(a.format(tmp_path) for a in arguments)]
        try:
            code = cli.call(main.main, cli.parse(main.FLAGS, line))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        errors = [line for line in err.splitlines() if not line.endswith(" ...")]
        call.progress = err.splitlines()[: -len(errors) or None]
        return code, out.splitlines(), errors

    return call


def test_exports_and_prints_the_path_last(call, tmp_path):
    arguments = "--model_dir=run", "--export_dir={}/out"
    code, out, err = call(*arguments)
    assert (code, out[-1], err) == (0, str(tmp_path / "out" / "1"), [])
    assert (tmp_path / "out" / "1" / "saved_model.pb").is_file()
    assert "tracing log_prob, 1 of 7 ..." in call.progress
    more = ["--default=sample", "--seed=3", "--noverify"]
    code, out, _ = call(*arguments, "--version=9", *more)
    assert (code, out[-1]) == (0, str(tmp_path / "out" / "9"))
    code, out, _ = call(*arguments, "--split", "--noverify")
    assert (code, out[-1]) == (0, str(tmp_path / "out"))
    assert (tmp_path / "out" / "encode" / "1" / "saved_model.pb").is_file()


def test_jit_compile(call, tmp_path):
    arguments = ["--model_dir=run", "--export_dir={}/out", "--noverify"]
    assert call(*arguments, "--jit_compile")[0] == 0
    code, out, _ = call(f"--check={tmp_path}/out/1")
    assert code == 1
    assert all(line.startswith("xla: ") for line in out[:-1])
    code, _, err = call(*arguments, "--jit_compile", "--convert=onnx")
    assert (code, len(err)) == (2, 1)
    assert "--convert=onnx without --jit_compile" in err[0]


def test_convert(call, tmp_path, monkeypatch):
    # Real files are those of test_convert.py.
    made = converter.FORMATS["tflite"]._replace(make=lambda *_: b"a file")
    monkeypatch.setitem(converter.FORMATS, "tflite", made)
    monkeypatch.setattr(converter, "_compare", lambda *_: None)
    arguments = ["--model_dir=run", "--export_dir={}/out", "--noverify"]
    code, out, err = call(*arguments, "--convert=tflite")
    folder = tmp_path / "out" / "tflite" / "1"
    files = [
        str(folder / f"{name}.tflite") for name in ("log_prob", "encode", "decode")
    ]
    assert (code, out[-4:], err) == (0, [*files, str(tmp_path / "out" / "1")], [])
    assert any(line.startswith("not converted: sample: it draws") for line in out)


def test_convert_without_its_packages(call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    code, _, err = call("--model_dir=run", "--export_dir={}/out", "--convert=onnx")
    assert code == 2
    assert "pip install 'tfflows[onnx]'" in err[0]
    assert list(tmp_path.iterdir()) == []


def test_deploy(call, tmp_path):
    arguments = ["--model_dir=run", "--export_dir={}/out", "--deploy", "--noverify"]
    code, out, _ = call(*arguments)
    assert (code, out) == (0, [str(tmp_path / "out" / "deploy"), f"{tmp_path}/out/1"])
    config = (tmp_path / "out" / "deploy" / "models.config").read_text()
    assert 'name: "out"' in config


def test_check(call, tmp_path):
    call("--model_dir=run", "--export_dir={}", "--noverify")
    code, out, err = call("--check={}/1")
    assert (code, out, err) == (0, [f"{tmp_path}/1: no findings"], [])
    (tmp_path / "1").rename(tmp_path / "new")
    code, out, err = call("--check={}/new")
    assert (code, len(out), err) == (1, 2, [])
    assert out[0].startswith("version: folder new: expected an integer version")
    assert out[0].endswith("rename the folder, for example to 1")
    (tmp_path / "new" / "saved_model.pb").write_bytes(b"no")
    for folder in ("new", "nothing"):
        code, out, err = call(f"--check={{}}/{folder}")
        assert (code, out, len(err)) == (1, [], 1)
        assert err[0].startswith("error: expected ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--check={}", "--model_dir=run"], 2, "expected --check alone"),
        (["--model_dir=run"], 2, "expected --export_dir"),
        (["--export_dir={}"], 2, "expected either --model_dir"),
        (["--export_dir={}", "--model_dir=run", "--model=m"], 2, "expected either"),
        (["--export_dir={}", "--model_dir=run", "--weights=w"], 2, "with --model,"),
        (["--export_dir={}", "--model=realnvp_digit"], 2, "realnvp_digits"),
        (["--export_dir={}", "--model=realnvp_digits", "--weights=no.h5"], 1, "no.h5"),
        (["--export_dir={}", "--model_dir=run", "--version=0"], 2, "version"),
        (["--export_dir={}", "--model_dir=run", "--version=4"], 1, "exists"),
        (["--export_dir={}", "--model_dir=run", "--default=x"], 1, "'log_prob'"),
        (["--export_dir={}", "--model_dir=run", "--default=x", "--split"], 2, "both"),
        (["--export_dir={}", "--model_dir=run", "--no_such_flag"], 2, "no_such_flag"),
        (["--export_dir={}", "--model_dir=run", "--convert=c"], 2, "convert"),
        (
            ["--export_dir={}", "--model_dir=run", "--convert=tflite", "--split"],
            *(2, "without --split"),
        ),
        (["--export_dir={}/4/file", "--model_dir=run"], 1, "file"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(
    call, tmp_path, arguments, code, message
):
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "file").touch()
    found, out, err = call(*arguments)
    assert (found, out) == (code, [])
    assert len(err) == 1
    assert err[0].startswith("error: ")
    assert message in err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["4"]


def test_a_folder_that_is_no_training_run(call, monkeypatch):
    monkeypatch.undo()  # the real load
    code, _, err = call("--model_dir={}", "--export_dir={}/out")
    assert code == 1
    assert "expected a model_dir of tfflows-train" in err[0]
