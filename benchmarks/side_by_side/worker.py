"""A process that holds one contestant and times what it is told to, one line a time.

    python -m side_by_side.worker LIBRARY WORKLOAD

Reads `OPERATION ARGUMENT` lines and answers each with a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from side_by_side.workloads import WORKLOADS

OPERATIONS = ("train", "log_prob", "sample", "build")
ENOUGH_SECONDS = 0.5


def main() -> None:
    """Builds the contestant, then serves standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    library, name = sys.argv[1:]
    module = importlib.import_module(f"side_by_side.contestants.{library}")
    contestant, seconds = timed(lambda: module.CONTESTANTS[name](WORKLOADS[name]))
    first = {
        "parameters": contestant.num_parameters(),
        "seconds": seconds,
        "versions": module.versions(),
        "can": [name for name in OPERATIONS if hasattr(contestant, name)],
    }
    print(json.dumps(first), file=answers, flush=True)
    for line in sys.stdin:
        operation, argument = line.split()
        print(json.dumps(run(contestant, operation, int(argument))), file=answers)
        answers.flush()


def run(contestant: Any, operation: str, argument: int) -> dict[str, Any]:
    """Times one operation; its result shows that work was done.

    The argument of "train" is the number of steps. All else is done once for 1, and for
    0 until some time has passed; its seconds are then the median of the calls.
    """
    forget_peak()
    if operation == "train":
        result, seconds = timed(lambda: contestant.train(argument))
    else:
        calls = [timed(getattr(contestant, operation))]
        while not argument and sum(each for _, each in calls) < ENOUGH_SECONDS:
            calls.append(timed(getattr(contestant, operation)))
        seconds = statistics.median(each for _, each in calls)
        result = float(np.mean(calls[0][0]))
    return {"seconds": seconds, "result": result, "peak_mb": peak_mb()}


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The function's result and its seconds."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def forget_peak() -> None:
    """Sets the process' peak memory to what it has now (Linux)."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The largest resident memory since `forget_peak`, in MB."""
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
