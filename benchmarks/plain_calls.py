"""Calls of a model as users write them, beside the same calls op by op.

    python benchmarks/plain_calls.py

prints milliseconds of `flow.log_prob(x)` and `flow.sample(n)` of a RealNVP on 43
dimensions, the median of rounds in which both ways take turns. "Op by op" is what a
call cost before calls were compiled: `tf.config.run_functions_eagerly(True)`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import tfflows

SIZES = (1, 64, 4096)


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Mean seconds of a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def compared(call: Callable[[], object], repeats: int, rounds: int) -> list[float]:
    """Median seconds of a call op by op and compiled."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds + 1):
        for eagerly, found in times.items():
            tf.config.run_functions_eagerly(eagerly)
            if not number:  # warms up, and traces
                call(), call()
                continue
            found.append(seconds(call, max(repeats // 10, 1) if eagerly else repeats))
    tf.config.run_functions_eagerly(False)
    return [statistics.median(found) for found in times.values()]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    flow = tfflows.models.realnvp(
        (43,), num_couplings=10, hidden_units=(128, 128), actnorm=False
    )
    x = np.random.default_rng(0).normal(size=(max(SIZES), 43)).astype("float32")
    print("| call | rows | op by op, ms | compiled, ms |\n|---|---|---|---|")
    for size in SIZES:
        calls: dict[str, Callable[[], object]] = {
            "log_prob": lambda n=size: flow.log_prob(x[:n]),
            "sample": lambda n=size: flow.sample(n),
        }
        for name, call in calls.items():
            repeats = 50 if size < 1000 else 10
            plain, compiled = compared(call, repeats, options.rounds)
            print(f"| {name} | {size} | {plain * 1e3:.1f} | {compiled * 1e3:.2f} |")


if __name__ == "__main__":
    main()
