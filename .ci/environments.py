"""Runs the wheel in clean environments: `make environments`.

Each gets the wheel alone, README's first program, and the quick core of the tests. The
table goes to docs/results/environments.md. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from clean_environment import (
    COUNTED,
    ROOT,
    fails,
    find_python,
    install,
    plain,
    readme_program,
    run_tests,
    unavailable,
)

RESULTS = ROOT / "docs" / "results" / "environments.md"

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
# What CI runs of it, after the whole suite.
QUICK = (
    "tests/test_private_names.py",
    "tests/bijectors/test_contract.py",
    "tests/models/test_flow.py",
    "tests/models/test_support.py",
    "tests/models/test_training.py",
    "tests/data/test_tables.py",
    "tests/export/test_c_api.py",
    "tests/test_sklearn.py",
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
    parser.add_argument(
        "--quick", action="store_true", help="as CI: fewer tests, no page"
    )
    arguments = parser.parse_args()
    chosen = [one for one in ENVIRONMENTS if arguments.only in one.name]
    if arguments.quick:
        cores = [one for one in chosen if one.tests is CORE]
        chosen = [dataclasses.replace(one, tests=QUICK) for one in cores]
    failed = 0
    for environment in chosen:
        start = time.monotonic()
        print(f"== {environment.name}", flush=True)
        outcome = run(environment, arguments.wheel.resolve())
        print(row(outcome), f"{time.monotonic() - start:.0f} s", flush=True)
        failed += outcome.counts.get("failed", 0)
        if failed and arguments.quick:
            break
        if not arguments.quick:
            write_page(outcome)
    return int(failed > 0)


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
            constraints = work / "constraints.txt"
            constraints.write_text(_constraints(environment), encoding="utf-8")
            installed = install(work, python, wheel, constraints)
        except subprocess.CalledProcessError as error:
            print(error.output)
            reason = unavailable(error.output)
            if reason:
                return Outcome(environment, f"not run: {reason}")
            return Outcome(environment, f"failed: {error}", counts={"failed": 1})
        counts = dict.fromkeys(COUNTED, 0)
        for program in (["-c", readme_program()], ["-m", "tfflows", "train", "--list"]):
            counts["failed" if fails(work, *program) else "passed"] += 1
        for name, number in run_tests(environment.tests, work).items():
            counts[name] += number
    return Outcome(environment, installed=installed, counts=counts)


def _constraints(environment: Environment) -> str:
    replaced = {plain(re.split("[=<>]", pin)[0]) for pin in environment.replaced}
    lines = (ROOT / environment.constraints).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if plain(line.split("==")[0]) not in replaced]
    return "\n".join([*kept, *environment.replaced, ""])


def row(outcome: Outcome) -> str:
    """The line of the table."""
    cells = [outcome.installed.get(name, "") for name in SHOWN]
    if outcome.reason:
        cells[0] = outcome.reason
    cells += [str(outcome.counts.get(name, "")) for name in COUNTED]
    return _start(outcome.environment) + " | ".join(cells) + " |"


def _start(environment: Environment) -> str:
    return f"| {environment.python} | {environment.versions} | "


def write_page(outcome: Outcome) -> None:
    """Writes the page with this row; the other environments' rows stay."""
    page = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    rows = [
        "| Python | versions | " + " | ".join((*SHOWN, *COUNTED)) + " |",
        "|---|---|" + "---|" * len(SHOWN) + "--:|" * len(COUNTED),
    ]
    for environment in ENVIRONMENTS:
        if environment == outcome.environment:
            rows.append(row(outcome))
        else:
            start = _start(environment)
            rows += [line for line in page.splitlines() if line.startswith(start)]
    RESULTS.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


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
