"""Runs the wheel in clean environments: `make environments`.

Each gets the wheel alone, README's first program, and the quick core of the tests. The
table goes to docs/results/environments.md. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from collections.abc import Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "environments.md"
RUNNERS = ("pytest", "pytest-xdist", "hypothesis")

# The quick core: steps, models, exports, the C API, scikit-learn.
CORE = (
    "tests/test_private_names.py",
    "tests/bijectors/test_contract.py",
    "tests/models/test_flow.py",
    "tests/models/test_conditioning.py",
    "tests/models/test_support.py",
    "tests/models/test_training.py",
    "tests/models/test_compiled_calls.py",
    "tests/models/test_fused_adam.py",
    "tests/training/test_callbacks.py",
    "tests/data/test_tables.py",
    "tests/export/test_c_api.py",
    "tests/export/test_saved_model.py",
    "tests/test_sklearn.py",
    "tests/zoo/test_pretrained.py",
)
# Where the whole suite runs anyway.
WHEEL = (
    "tests/test_public_api.py",
    "tests/models/test_families.py",
    "tests/zoo/test_registry.py",
    "tests/zoo/test_pretrained.py",
)

# What the table tells of an environment.
SHOWN = ("tensorflow", "keras", "tensorflow-probability")
SHOWN += ("numpy", "pandas", "scikit-learn", "protobuf")


@dataclasses.dataclass(frozen=True)
class Environment:
    """One row of the table.

    Attributes:
      python: Version of the interpreter.
      versions: Which set of versions, in words.
      constraints: File of the versions.
      replaced: Versions that replace those of the file.
      tests: Files of tests.
    """

    python: str
    versions: str
    constraints: str
    replaced: tuple[str, ...] = ()
    tests: tuple[str, ...] = CORE

    @property
    def name(self) -> str:
        """For messages."""
        return f"Python {self.python}, {self.versions}"


# Apache Beam holds numpy and protobuf back in constraints.txt.
NEWER = ("numpy==2.5.*", "protobuf==7.*")
ENVIRONMENTS = (
    Environment("3.11", "newest", "constraints.txt", tests=WHEEL),
    Environment("3.11", "oldest", "constraints-oldest.txt"),
    Environment("3.12", "newest", "constraints.txt"),
    Environment("3.13", "newest, without Beam's bounds", "constraints.txt", NEWER),
)


@dataclasses.dataclass
class Outcome:
    """What came of an environment.

    Attributes:
      environment: Which.
      reason: Why it did not run; "" if it did.
      installed: Versions by package.
      counts: Numbers of tests passed, failed and skipped.
    """

    environment: Environment
    reason: str = ""
    installed: dict[str, str] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)


def main() -> int:
    """Runs the environments; returns 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("--only", default="", help="part of the names of those to run")
    arguments = parser.parse_args()
    chosen = [one for one in ENVIRONMENTS if arguments.only in one.name]
    outcomes = []
    for environment in chosen:
        start = time.monotonic()
        print(f"== {environment.name}", flush=True)
        outcome = run(environment, arguments.wheel.resolve())
        outcomes.append(outcome)
        print(f"{outcome.reason or outcome.counts} ({time.monotonic() - start:.0f} s)")
    table = "\n".join(rows(outcomes))
    print(table)
    if len(chosen) == len(ENVIRONMENTS):
        RESULTS.write_text(HEAD + table + "\n", encoding="utf-8")
    return int(any(outcome.counts.get("failed") for outcome in outcomes))


def run(environment: Environment, wheel: pathlib.Path) -> Outcome:
    """Installs the wheel, runs README's program and the tests.

    Args:
      environment: Which.
      wheel: The built wheel.
    """
    python, reason = find_python(environment.python)
    if python is None:
        return Outcome(environment, reason)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        try:
            installed = install(environment, wheel, python, work)
        except subprocess.CalledProcessError as error:
            return Outcome(environment, f"failed: {error}", counts={"failed": 1})
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        for program in (["-c", readme_program()], ["-m", "tfflows", "train", "--list"]):
            counts["failed" if _fails(work, *program) else "passed"] += 1
        for name, number in run_tests(environment.tests, work).items():
            counts[name] += number
    return Outcome(environment, installed=installed, counts=counts)


def find_python(version: str) -> tuple[str | None, str]:
    """Returns an interpreter that runs and is of the version, or why there is none.

    Args:
      version: For example "3.12".
    """
    reasons = []
    for path in _candidates(version):
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
        told = (done.stdout + done.stderr).strip()
        if done.returncode == 0 and told.startswith(f"Python {version}."):
            return path, ""
        reasons.append(f"{os.path.basename(path)} --version: {told.splitlines()[:1]}")
    return None, f"no Python {version}: " + ("; ".join(reasons) or "none found")


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path:  # pyenv's shim fails where the version is not its current one
        yield on_path
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    for folder in sorted(pyenv.glob(f"versions/{version}*"), reverse=True):
        yield os.fspath(folder / "bin" / "python")


def install(
    environment: Environment, wheel: pathlib.Path, python: str, work: pathlib.Path
) -> dict[str, str]:
    """Makes a virtual environment with the wheel and what runs tests.

    Returns:
      Versions of the packages of `SHOWN`.
    """
    subprocess.run([python, "-m", "venv", work / "env"], check=True)
    constraints = work / "constraints.txt"
    constraints.write_text(_constraints(environment), encoding="utf-8")
    pip = [_python(work), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--constraint", constraints, wheel, *RUNNERS],
        check=True,
    )
    subprocess.run([*pip, "check"], check=True)
    listed = subprocess.run(
        [*pip, "list", "--format=json"], check=True, capture_output=True, text=True
    )
    versions = {one["name"]: one["version"] for one in json.loads(listed.stdout)}
    found = {_plain(name): version for name, version in versions.items()}
    return {name: found[name] for name in SHOWN}


def _constraints(environment: Environment) -> str:
    replaced = {_plain(re.split("[=<>]", pin)[0]) for pin in environment.replaced}
    lines = (ROOT / environment.constraints).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if _plain(line.split("==")[0]) not in replaced]
    return "\n".join([*kept, *environment.replaced, ""])


def _plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name.strip()).lower()


def _python(work: pathlib.Path) -> str:
    return os.fspath(work / "env" / "bin" / "python")


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
    ended_badly = _fails(work, "-m", "pytest", *options, *tests)
    if not report.exists():
        return {"failed": 1}
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    numbers = {} if suite is None else {k: int(suite.get(k, 0)) for k in _IN_REPORT}
    failed = numbers.get("failures", 0) + numbers.get("errors", 0)
    skipped = numbers.get("skipped", 0)
    passed = numbers.get("tests", 0) - failed - skipped
    if (ended_badly and not failed) or not passed:
        failed += 1
    return {"passed": passed, "failed": failed, "skipped": skipped}


_IN_REPORT = ("tests", "failures", "errors", "skipped")


def _fails(work: pathlib.Path, *arguments: str) -> bool:
    known = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONWARNINGS": "default"}
    environ = {**known, **os.environ}
    done = subprocess.run([_python(work), *arguments], cwd=work, env=environ)
    return done.returncode != 0


def rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines of the table."""
    yield (
        "| Python | versions | " + " | ".join(SHOWN) + " | passed | failed | skipped |"
    )
    yield "|---|---|" + "---|" * len(SHOWN) + "--:|--:|--:|"
    for outcome in outcomes:
        python, versions = outcome.environment.python, outcome.environment.versions
        if outcome.reason:
            cells = [outcome.reason] + [""] * (len(SHOWN) + 2)
        else:
            cells = [outcome.installed[name] for name in SHOWN]
            cells += [str(number) for number in outcome.counts.values()]
        yield f"| {python} | {versions} | " + " | ".join(cells) + " |"


HEAD = """# Environments

    make environments

Each environment gets the built wheel alone, runs README's first program and the quick
core of the tests: steps, models, exports through the C API, scikit-learn (the files are
listed in `.ci/environments.py`). `make test` runs the whole suite on Python 3.11 with
the newest versions, so the wheel runs only a few files there. An interpreter that is
missing is a row with a reason.

"""


if __name__ == "__main__":
    sys.exit(main())
