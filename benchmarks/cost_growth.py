"""How the cost of a training step grows with depth, width, batch and dimensions.

    python benchmarks/cost_growth.py

Prints a Markdown table a quantity: RealNVP under `fit`, one quantity varied at a time,
each model in a process of its own. Beside the measured slope (d log cost / d log
quantity, over the upper half of the range) stands the order that the products of the
dense layers have.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

BASE = {"depth": 8, "width": 128, "batch": 512, "dimensions": 64}
VALUES = {
    "depth": (4, 8, 16, 32),
    "width": (64, 128, 256, 512),
    "batch": (128, 512, 2048, 8192),
    "dimensions": (16, 64, 256, 1024),
}
# Of the largest term, where it is far above the others.
EXPECTED = {"depth": 1, "width": 2, "batch": 1, "dimensions": 1}


def measure(depth: int, width: int, batch: int, dimensions: int) -> dict[str, float]:
    """Milliseconds of a step, MB that training adds, seconds of the first steps."""
    import numpy as np
    import tensorflow as tf

    from tfflows.models import realnvp

    x = np.random.default_rng(0).standard_normal((batch, dimensions)).astype("float32")
    flow = realnvp((dimensions,), num_couplings=depth, hidden_units=(width, width))
    flow.initialize(x)
    flow.compile("adam", steps_per_execution=5)
    data = tf.data.Dataset.from_tensors({"x": tf.constant(x)}).repeat()
    options = tf.data.Options()
    options.autotune.enabled = False
    data = data.with_options(options)
    before = _memory("VmRSS")
    start = time.perf_counter()
    flow.fit(data, steps_per_epoch=5, verbose=0)
    first = time.perf_counter() - start
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        flow.fit(data, steps_per_epoch=10, verbose=0)
        rounds.append(1e3 * (time.perf_counter() - start) / 10)
    return {
        "ms": statistics.median(rounds),
        "mb": _memory("VmHWM") - before,
        "first": first,
    }


def _memory(name: str) -> float:
    """A line of the process' status, in MB (Linux)."""
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", help="one configuration, as JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(**json.loads(arguments.measure))))
        return
    for quantity, values in VALUES.items():
        print(f"\n| {quantity} | ms a step | MB | first call, s |\n|---|---|---|---|")
        rows = [_in_process({**BASE, quantity: value}) for value in values]
        for value, row in zip(values, rows, strict=True):
            print(
                f"| {value} | {row['ms']:.1f} | {row['mb']:.0f} | {row['first']:.1f} |"
            )
        slopes = [
            _slope(values[-2:], [row[k] for row in rows[-2:]]) for k in ("ms", "mb")
        ]
        expected = EXPECTED[quantity]
        print(
            f"\nSlopes: time {slopes[0]:.2f} (expected {expected}), "
            f"memory {slopes[1]:.2f}"
        )


def _in_process(configuration: dict[str, int]) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", json.dumps(configuration)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _slope(x: tuple[int, ...], y: list[float]) -> float:
    return math.log(y[1] / y[0]) / math.log(x[1] / x[0])


if __name__ == "__main__":
    main()
