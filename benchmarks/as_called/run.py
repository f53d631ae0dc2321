"""All libraries as users call them, in turn; kept row by row, so it can go on.

    python benchmarks/as_called/run.py --peers_python=.venv-peers/bin/python \
        --results=as_called.json

Each library and way (plain, compiled) has a process of its own. The processes take
turns, a round of all calls each, while the others wait. First calls are counted from
the start of a fresh process. Rounds that the file has are not run again; a later
command adds the missing ones. `report.py` makes the tables and the picture.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import select
import subprocess
import sys
import time
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from as_called.work import CALLS, FIT_STEPS, OURS, PEERS, WAYS  # noqa: E402
from tfflows.backend.memory import KEEPING  # noqa: E402

# As `torch.compile` does not finish in minutes, or fails; see the log of performance.
NOT_COMPILED = ("torch_nflows", "torch_zuko")
FIRST_CALLS = (("log_prob", 64), ("sample", 64), ("fit", 1))


class Worker:
    """One library's process, asked line by line."""

    def __init__(self, library: str, way: str, python: str, patience: float) -> None:
        self.key, self._patience = f"{library} {way}", patience
        self._process = start([library, way], python)
        self._answer()

    def ask(self, operation: str, number: int, seconds: float) -> dict[str, Any]:
        """Has it call; an error where it fails or takes too long."""
        if self._process.poll() is not None:
            return {"error": "has ended"}
        self._process.stdin.write(f"{operation} {number} {seconds}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        ready, _, _ = select.select([self._process.stdout], [], [], self._patience)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.stop()
            return {"error": f"no answer in {self._patience:.0f} s"}
        return json.loads(line)

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()


def start(arguments: list[str], python: str) -> subprocess.Popen:
    """A worker's process, with bytecode kept as an installed package has it."""
    own = {name: v for name, v in os.environ.items() if name[:12] != "PYTHONDONTWR"}
    return subprocess.Popen(
        [python, "-m", "as_called.worker", *arguments],
        cwd=FOLDER.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**KEEPING, **own, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def first_call(python: str, library: str, operation: str, number: int) -> dict:
    """Seconds from the start of a process to the end of its first call."""
    begin = time.perf_counter()
    process = start([library, "plain", operation, str(number)], python)
    line = process.stdout.readline()
    wall = time.perf_counter() - begin
    process.wait()
    return {"wall": wall, **json.loads(line or '{"error": "no answer"}')}


class Results:
    """The file; rows are lists with one entry a round."""

    def __init__(self, path: str) -> None:
        self._path = pathlib.Path(path)
        self.rows = json.loads(self._path.read_text()) if self._path.exists() else {}

    def has(self, row: str, rounds: int) -> bool:
        """Whether a row has so many rounds, or cannot have them."""
        found = self.rows.get(row, [])
        return len(found) >= rounds or any("error" in each for each in found)

    def add(self, row: str, reply: dict[str, Any]) -> None:
        """Adds a round and writes the file."""
        self.rows.setdefault(row, []).append(reply)
        self._path.write_text(json.dumps(self.rows, indent=0) + "\n")


def run_first_calls(results: Results, pythons: dict[str, str], rounds: int) -> None:
    """Fresh processes, the libraries in turn."""
    cases = [("tensorflow", "import", 0)]
    cases += [(each, *call) for call in FIRST_CALLS for each in pythons]
    for number in range(1, rounds + 1):
        for library, operation, size in cases:
            row = f"{library} first {operation}"
            if not results.has(row, number):
                python = pythons.get(library, sys.executable)
                results.add(row, first_call(python, library, operation, size))


def run_calls(results: Results, pythons: dict[str, str], options: Any) -> None:
    """Rounds of all calls; what compiles does so before the first."""
    keys = [
        (library, way, python)
        for library, python in pythons.items()
        for way in options.ways
        if not (way == "compiled" and library in NOT_COMPILED)
    ]
    keys.append(("products", "compiled", sys.executable))
    cases = [("fit", options.steps), *CALLS]
    missing = [
        key
        for key in keys
        if not all(
            results.has(f"{key[0]} {key[1]} {name} {size}", options.rounds)
            for name, size in cases
        )
    ]
    workers = [Worker(*key, options.patience) for key in missing]
    try:
        for worker in workers:
            _warm_up(worker, results, cases)
        for number in range(1, options.rounds + 1):
            order = workers if number % 2 else workers[::-1]
            for name, size in cases:
                for worker in order:
                    row = f"{worker.key} {name} {size}"
                    if not results.has(row, number):
                        seconds = 0 if name == "fit" else options.seconds
                        results.add(row, worker.ask(name, size, seconds))
    finally:
        for worker in workers:
            worker.stop()


def _warm_up(worker: Worker, results: Results, cases: list[tuple[str, int]]) -> None:
    for name, size in cases:
        for _ in range(3):  # traces, compiles
            reply = worker.ask(name, size, 0)
        if "error" in reply:
            results.add(f"{worker.key} {name} {size}", reply)


def main() -> None:
    """Runs what the file lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", nargs="*", help="all of them, if not given")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--peers_python", default=".venv-peers/bin/python")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--first_rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.15, help="of a call a round")
    parser.add_argument("--steps", type=int, default=FIT_STEPS, help="of one fit")
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        help="seconds for one answer; what takes longer to compile is left out",
    )
    parser.add_argument("--results", default="as_called.json")
    options = parser.parse_args()
    # Not resolved: a virtual environment's interpreter is a link.
    peers_python = str(pathlib.Path(options.peers_python).absolute())
    pythons = {
        **dict.fromkeys(OURS, sys.executable),
        **dict.fromkeys(PEERS, peers_python),
    }
    if options.libraries:
        pythons = {name: pythons[name] for name in options.libraries}
    results = Results(options.results)
    run_first_calls(results, pythons, options.first_rounds)
    run_calls(results, pythons, options)


if __name__ == "__main__":
    main()
