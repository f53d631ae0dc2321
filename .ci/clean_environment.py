"""An environment with the wheel alone, and what is run in it (environments.py)."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from collections.abc import Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUNNERS = ("pytest", "pytest-xdist", "hypothesis")
COUNTED = ("passed", "failed", "skipped")


def find_python(version: str) -> tuple[str | None, str]:
    """Returns an interpreter that runs and makes environments, or why there is none.

    Args:
      version: For example "3.12".
    """
    reasons = []
    for path in _candidates(version):
        told = _first_line([path, "--version"])
        if not told.startswith(f"Python {version}."):
            reasons.append(f"`{os.path.basename(path)} --version`: {told}")
        elif _first_line([path, "-c", "import ensurepip, venv"]):
            reasons.append(f"{told} makes no environments")
        else:
            return path, ""
    return None, f"no Python {version}: " + "; ".join(reasons)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path:  # pyenv's shim fails where the version is not its current one
        yield on_path
    home = pathlib.Path.home()
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    uv = home / ".local" / "share" / "uv" / "python"
    for folder in (
        *sorted(pyenv.glob(f"versions/{version}.*"), reverse=True),
        *sorted(uv.glob(f"cpython-{version}.*"), reverse=True),
    ):
        yield os.fspath(folder / "bin" / "python")


def _first_line(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""


def install(
    work: pathlib.Path, python: str, wheel: pathlib.Path, constraints: pathlib.Path
) -> dict[str, str]:
    """Makes a virtual environment with the wheel and what runs tests.

    Args:
      work: Folder for it.
      python: Interpreter.
      wheel: The built wheel.
      constraints: File of versions.

    Returns:
      Versions by package.

    Raises:
      subprocess.CalledProcessError: If pip fails or packages do not fit together.
    """
    _checked([python, "-m", "venv", work / "env"])
    pip = [_python(work), "-m", "pip", "--disable-pip-version-check"]
    _checked([*pip, "install", "--quiet", "--constraint", constraints, wheel, *RUNNERS])
    _checked([*pip, "check"])
    listed = subprocess.run(
        [*pip, "list", "--format=json"], check=True, capture_output=True, text=True
    )
    return {
        plain(one["name"]): one["version"] for one in json.loads(listed.stdout or "[]")
    }


def _checked(command: Sequence[str | os.PathLike[str]]) -> None:
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _python(work: pathlib.Path) -> str:
    return os.fspath(work / "env" / "bin" / "python")


def plain(name: str) -> str:
    """A package's name in the one spelling that compares."""
    return re.sub("[-_.]+", "-", name.strip()).lower()


def unavailable(output: str) -> str:
    """Why pip could not install where that tells nothing about tfflows; "" otherwise.

    Args:
      output: What pip printed.
    """
    lost = r"ConnectionError|connection broken|timed out|SSLError|ProxyError"
    if re.search(lost, output):
        return "pip reaches no registry"
    found = re.search(r"No matching distribution found for (.*)", output)
    return f"pip finds no {found[1]}" if found else ""


def readme_program() -> str:
    """README's first block of Python, and a check that the wheel ran it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("```python\n", 1)[1].split("```", 1)[0]
    return block + "assert 'site-packages' in tfflows.__file__, tfflows.__file__\n"


def run_tests(tests: Sequence[str], work: pathlib.Path) -> dict[str, int]:
    """Runs files of tests beside the installed wheel, away from the checkout.

    Returns:
      Numbers of tests passed, failed and skipped.
    """
    shutil.copytree(ROOT / "tests", work / "tests", dirs_exist_ok=True)
    shutil.copy(ROOT / "setup.cfg", work / "tests" / "setup.cfg")
    report = work / "report.xml"
    options = ("-c", "tests/setup.cfg", "--rootdir=.", f"--junit-xml={report}")
    options += ("-n", "2", "--dist", "loadgroup", "-m", "not large")
    ended_badly = fails(work, "-m", "pytest", *options, *tests)
    if not report.exists():
        return {"failed": 1}
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    known = {} if suite is None else suite.attrib
    failed = int(known.get("failures", 0)) + int(known.get("errors", 0))
    skipped = int(known.get("skipped", 0))
    passed = int(known.get("tests", 0)) - failed - skipped
    if (ended_badly and not failed) or not passed:
        failed += 1
    return {"passed": passed, "failed": failed, "skipped": skipped}


def fails(work: pathlib.Path, *arguments: str) -> bool:
    """Whether the environment's Python fails with these arguments.

    Args:
      work: Folder of the environment.
      *arguments: For example "-c" and a program.
    """
    known = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONWARNINGS": "default"}
    environ = {**known, **os.environ}
    to = subprocess.DEVNULL if "--list" in arguments else None
    command = [_python(work), *arguments]
    done = subprocess.run(command, cwd=work, env=environ, stdout=to)
    return done.returncode != 0
