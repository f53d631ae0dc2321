"""The programs answer what needs no TensorFlow before they import it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import tfflows
from tfflows.__main__ import main
from tfflows.system import command_line, programs

# Runs each program as Python starts it, and looks at what was imported.
_ASK_ALL = """
import contextlib, importlib, io, json, sys
module, *lines = json.loads(sys.argv[1])
sys.orig_argv[:] = ["python", "-m", module]
answers = []
for line in lines:
    sys.argv[:] = ["tfflows", *line]
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            importlib.import_module(module).run()
        except SystemExit as stop:
            answers.append([stop.code or 0, text.getvalue()])
heavy = [m for m in ("tensorflow", "keras", "pandas", "matplotlib") if m in sys.modules]
print(json.dumps([answers, heavy]))
"""


def ask(module, *lines):
    """Exit code and output of each command line, and the heavy imports."""
    result = subprocess.run(
        [sys.executable, "-c", _ASK_ALL, json.dumps([module, *lines])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


QUICK = {
    "train": [
        (["--help"], 0, "Trains a registered model"),
        (["--helpfull"], 0, "--verbosity"),
        (["--version"], 0, tfflows.__version__),
        (["--list"], 0, "realnvp_digits"),
        (["--mode=x"], 2, "Did you mean: "),
        (["--model=realnvp_digit", "--model_dir=x"], 2, "did you mean realnvp_digits"),
        (["--model=nice_rings"], 2, "expected --model and --model_dir"),
        (["--model=a", "--config=b", "--model_dir=c"], 2, "expected --model or --conf"),
    ],
    "evaluate": [(["--help"], 0, "--split"), ([], 2, "expected either --model_dir")],
    "sample": [(["--model=nice_mnist"], 2, "these have them")],
    "explore": [(["--show=attribute", "--num_steps=3"], 2, "has no effect")],
    "export": [
        (["--help"], 0, "--convert"),
        (["--model=realnvp_digits"], 2, "expected --export_dir"),
        (["--export_dir=x"], 2, "expected either --model_dir"),
    ],
    "score": [(["--input=x.csv"], 2, "expected --export_dir, --output")],
    "serve": [(["--version"], 0, tfflows.__version__), ([], 2, "--export_dir")],
}


@pytest.mark.parametrize("program", QUICK)
def test_quick_answers_import_no_tensorflow(program):
    lines = [line for line, _, _ in QUICK[program]]
    answers, heavy = ask(programs.PROGRAMS[program], *lines)
    assert heavy == []
    for (line, code, text), (got_code, got_text) in zip(
        QUICK[program], answers, strict=True
    ):
        assert got_code == code, (line, got_text)
        assert text in got_text, line


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["python", "/usr/bin/tfflows-train", "--list"], True),
        (["python", "-m", "tfflows.export.serve"], True),
        (["python", "-P", "-W", "error", "-m", "tfflows"], True),
        (["python", "-Im", "tfflows.zoo.sample", "--help"], True),
        (["python", "-m", "pytest", "tfflows-train"], False),
        (["python", "mine.py", "-m", "tfflows"], False),
        (["python", "-c", "import tfflows", "tfflows-train"], False),
        (["python"], False),
    ],
)
def test_a_program_is_told_from_a_users_process(argv, wanted, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", argv)
    assert programs.is_program() == wanted


def test_the_package_lists_its_programs(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == tfflows.__version__
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"tfflows-{name}" in listed for name in programs.PROGRAMS)
    assert "Trains a registered model" in listed
    assert main(["tain"]) == command_line.USAGE_ERROR
    assert "expected one of train" in capsys.readouterr().err


def test_log_lines_are_kept_back(capfd):
    with command_line._standard_error_kept_back():
        os.write(2, b"log\n")
    assert capfd.readouterr().err == ""


def test_what_is_kept_back_of_a_failed_import_is_shown(capfd):
    def fail():
        with command_line._standard_error_kept_back():
            os.write(2, b"why\n")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == "why\n"
