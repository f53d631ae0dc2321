"""A process that calls one library as a user does, and times it.

    python -m as_called.worker LIBRARY WAY

builds the model, then reads `OPERATION NUMBER SECONDS` lines and answers each with a
line of JSON. With a fourth argument, `OPERATION NUMBER`, it makes this one call and
ends: the first call of a fresh process.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from as_called.work import BATCH_SIZE, FIT_STEPS, OURS, PEERS, workload


def main() -> None:
    """Builds the model; serves standard input, or makes one call."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    library, way, *first = sys.argv[1:]
    if library == "tensorflow":
        importlib.import_module("tensorflow")
        answer({"cpu": time.process_time()}, answers)
        return
    module = (OURS | PEERS | {"products": "products"})[library]
    found = importlib.import_module(f"as_called.libraries.{module}")
    rows = BATCH_SIZE if first else BATCH_SIZE * FIT_STEPS
    calls = found.calls(library, way, workload(rows))
    if first:
        result = getattr(calls, first[0])(int(first[1]))
        answer({"cpu": time.process_time(), "result": mean(result)}, answers)
        return
    answer({}, answers)
    for line in sys.stdin:
        operation, number, seconds = line.split()
        call = getattr(calls, operation)
        try:
            reply = timed(lambda call=call, n=int(number): call(n), float(seconds))
        except Exception as error:  # one library's failure ends no other's rows
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        answer(reply, answers)


def timed(call: Callable[[], Any], enough: float) -> dict[str, float]:
    """Milliseconds of a call, median of wall and mean of CPU time.

    Calls once, and again until so many seconds have passed.
    """
    walls, cpu, end = [], time.process_time(), time.perf_counter() + enough
    while not walls or time.perf_counter() < end:
        start = time.perf_counter()
        result = call()
        walls.append(time.perf_counter() - start)
    return {
        "wall": 1e3 * statistics.median(walls),
        "cpu": 1e3 * (time.process_time() - cpu) / len(walls),
        "result": mean(result),
    }


def mean(result: Any) -> float:
    """Shows that work was done."""
    return float(result if isinstance(result, float) else result.mean())


def answer(reply: dict[str, Any], answers: Any) -> None:
    """Writes one line."""
    print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
