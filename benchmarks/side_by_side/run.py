"""Equal work in tfflows and its peers, in turn, as a table of ratios.

    python benchmarks/side_by_side/run.py --peers_python=.venv-peers/bin/python \
        --results=peers.json

Each library holds its model in a process of its own. The processes take turns, one
round each (A B C A B C ...), while the others wait; the first call of each operation,
which may compile, is reported apart. glibc's allocator keeps freed memory in all of
them (`tfflows.backend.memory`). `report.py` makes the tables from the results.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from side_by_side.worker import OPERATIONS  # noqa: E402
from side_by_side.workloads import OURS, PEERS, WORKLOADS  # noqa: E402
from tfflows.backend.memory import KEEPING  # noqa: E402


class Worker:
    """One library's process; asked line by line."""

    def __init__(self, library: str, workload: str, python: str) -> None:
        self.library = library
        self._process = subprocess.Popen(
            [python, "-m", "side_by_side.worker", library, workload],
            cwd=FOLDER.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**KEEPING, **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.start = self._answer()

    def ask(self, operation: str, argument: int = 0) -> dict[str, Any]:
        """Has it done, as of `worker.run`; RuntimeError where the process died."""
        self._process.stdin.write(f"{operation} {argument}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.library} ended with {self._process.wait()}")
        return json.loads(line)

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()


def compare(
    name: str, pythons: dict[str, str], rounds: int, operations: list[str] | None = None
) -> dict[str, Any]:
    """All libraries on one workload.

    Args:
      name: The workload.
      pythons: The interpreter of each library that takes part.
      rounds: Timed rounds of each operation.
      operations: Those to time; None: all of the workload's.

    Returns:
      By library: parameters, versions, seconds to build, and by operation the seconds
      of the first call and of each round, the results, and the peak memory.
    """
    workload = WORKLOADS[name]
    workers = [Worker(library, name, python) for library, python in pythons.items()]
    results = {worker.library: {**worker.start, "operations": {}} for worker in workers}
    try:
        for operation in operations or workload.operations:
            times = workload.train_steps if operation == "train" else 0
            able = [worker for worker in workers if operation in worker.start["can"]]
            for worker in able:
                record = _first(worker, operation, times)
                results[worker.library]["operations"][operation] = record
            for worker in _in_turn(able, rounds):
                answer = worker.ask(operation, times)
                record = results[worker.library]["operations"][operation]
                record["seconds"].append(answer["seconds"])
                record["results"].append(answer["result"])
                record["peak_mb"] = max(record["peak_mb"], answer["peak_mb"])
    finally:
        for worker in workers:
            worker.stop()
    return results


def _first(worker: Worker, operation: str, times: int) -> dict[str, Any]:
    answer = worker.ask(operation, times or 1)
    return {
        "first_seconds": answer["seconds"],
        "results": [answer["result"]],
        "seconds": [],
        "peak_mb": 0.0,
    }


def _in_turn(workers: list[Worker], rounds: int) -> Iterator[Worker]:
    for number in range(rounds):
        # Every second round the other way: no library always follows the same one.
        yield from workers if number % 2 == 0 else reversed(workers)


def main() -> None:
    """Runs the workloads asked for; keeps the results after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--libraries", nargs="*", help="all of them, if not given")
    parser.add_argument(
        "--operations",
        nargs="*",
        choices=OPERATIONS,
        help="all of them, if not given; the file's results of a workload are replaced",
    )
    parser.add_argument("--peers_python", default=".venv-peers/bin/python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", default="peers.json")
    arguments = parser.parse_args()
    file = pathlib.Path(arguments.results)
    results = json.loads(file.read_text()) if file.exists() else {}
    # Not resolved: a virtual environment's interpreter is a link.
    peers_python = str(pathlib.Path(arguments.peers_python).absolute())
    for name in arguments.workloads:
        pythons = {
            library: python
            for libraries, python in ((OURS, sys.executable), (PEERS, peers_python))
            for library, workloads in libraries.items()
            if name in workloads
            and (not arguments.libraries or library in arguments.libraries)
        }
        print(f"{WORKLOADS[name].title}: {', '.join(pythons)}", file=sys.stderr)
        results[name] = compare(name, pythons, arguments.rounds, arguments.operations)
        file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
