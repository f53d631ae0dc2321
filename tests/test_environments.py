"""What finds Pythons for `make environments`, and what the page keeps."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.test_packaging import ROOT

pytestmark = pytest.mark.skipif(
    not (ROOT / ".ci").exists(), reason="needs the checkout"
)


@pytest.fixture
def ci(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / ".ci")
    yield importlib.import_module
    for name in ("environments", "clean_environment"):
        sys.modules.pop(name, None)


def interpreter(path, script):
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


VERSION = '[ "$1" = --version ] && echo Python 3.99.'


def test_a_python_is_one_that_runs(ci, tmp_path, monkeypatch):
    find_python = ci("clean_environment").find_python
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("HOME", str(tmp_path))
    interpreter(tmp_path / "bin" / "python3.99", "echo no such version >&2; exit 127")
    path, reason = find_python("3.99")
    assert path is None
    assert "`python3.99 --version`: no such version" in reason
    bare = tmp_path / "pyenv" / "versions" / "3.99.2" / "bin" / "python"
    interpreter(bare, f"{VERSION}2 || echo No module named ensurepip")
    assert "Python 3.99.2 makes no environments" in find_python("3.99")[1]
    whole = tmp_path / "pyenv" / "versions" / "3.99.1" / "bin" / "python"
    interpreter(whole, f"{VERSION}1")
    assert find_python("3.99") == (str(whole), "")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("ERROR: No matching distribution found for keras==3.6.0", "no keras==3.6.0"),
        ("NewConnectionError\nNo matching distribution found for keras", "no registry"),
        ("ERROR: ResolutionImpossible: for help visit ...", ""),
    ],
)
def test_only_what_is_out_of_reach_is_left_out(ci, output, reason):
    told = ci("clean_environment").unavailable(output)
    assert reason in told
    assert bool(told) == bool(reason)


def test_the_page_keeps_rows_of_environments_that_were_not_run(
    ci, tmp_path, monkeypatch
):
    module = ci("environments")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "environments.md")
    first, second, *_ = module.ENVIRONMENTS
    module.write_page(module.Outcome(second, "no Python"))
    counts = {"passed": 3, "failed": 0, "skipped": 1}
    versions = dict.fromkeys(module.SHOWN, "1.0")
    module.write_page(module.Outcome(first, "", versions, counts))
    module.write_page(module.Outcome(first, "", versions, counts | {"passed": 4}))
    rows = module.RESULTS.read_text().splitlines()[-2:]
    assert rows[0].startswith(f"| {first.python} | {first.versions} | 1.0 |")
    assert rows[0].endswith("| 4 | 0 | 1 |")
    assert "| no Python |" in rows[1]
    assert {len(row.split("|")) for row in rows} == {len(module.SHOWN) + 7}
