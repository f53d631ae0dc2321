"""Latency and throughput of a served flow beside those of its Keras model.

    python benchmarks/serving.py [REGISTERED_MODEL]

The export runs as a server runs it: through TensorFlow's C API, XLA disabled, in a
process without TensorFlow Python; what a network adds is not in the figures. Each cell
has the medians over single calls of wall time and, where others share the machine more
telling, of CPU time, and the rows for each second of wall time.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_SIZES = (1, 64, 512)
_SECONDS = 2.0  # for each figure
_SERVED = """
import json, pathlib, sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
from c_api import SavedModel
from serving import median_times

model = SavedModel(sys.argv[3])
figures = {}
for path in sorted(pathlib.Path(sys.argv[4]).glob("*.npz")):
    signature = path.stem.rpartition("_")[0]
    inputs = dict(np.load(path))
    figures[path.stem] = median_times(lambda: model.run(signature, inputs))
print(json.dumps(figures))
"""


def median_times(call: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds (wall, CPU) of a call, the first ones not counted."""
    for _ in range(3):
        call()
    walls, cpus, end = [], [], time.perf_counter() + _SECONDS
    while time.perf_counter() < end or len(walls) < 5:
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def inputs_of(model: Any, size: int) -> dict[str, dict[str, np.ndarray]]:
    """Inputs of so many rows for both signatures."""
    seeds = np.arange(2 * size, dtype=np.int32).reshape(size, 2)
    ones = np.ones(size, np.float32)
    x = model.sample_rows_and_log_prob(seeds, ones)[0].numpy()
    if model.levels is not None:
        x = np.clip(x, 0, model.levels - 1).astype(np.uint8)
    return {"log_prob": {"x": x}, "sample": {"seed": seeds, "temperature": ones}}


def live_figures(model: Any) -> dict[str, dict[str, tuple[float, float]]]:
    """Seconds of a call of the Keras model, eager and as a tf.function."""
    import tensorflow as tf

    functions = {"log_prob": model.log_prob, "sample": model.sample_rows_and_log_prob}
    figures: dict[str, dict[str, tuple[float, float]]]
    figures = {"eager": {}, "tf.function": {}}
    for size in _SIZES:
        for name, inputs in inputs_of(model, size).items():
            tensors = list(map(tf.constant, inputs.values()))
            compiled = tf.function(functions[name])
            for kind, call in (("eager", functions[name]), ("tf.function", compiled)):
                times = median_times(lambda c=call, t=tensors: c(*t))
                figures[kind][f"{name}_{size:04}"] = times
    return figures


def served_figures(model: Any) -> dict[str, tuple[float, float]]:
    """Seconds of a call of the export, in a process of its own."""
    import tfflows

    here = pathlib.Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        path = tfflows.export.export_saved_model(model, folder, verify=False)
        for size in _SIZES:
            for name, inputs in inputs_of(model, size).items():
                np.savez(f"{folder}/{name}_{size:04}.npz", **inputs)
        code = pathlib.Path(tfflows.export.__file__).parent
        command = [sys.executable, "-P", "-c", _SERVED, code, here, path, folder]
        return json.loads(subprocess.check_output(command, text=True))


def main() -> None:
    """Prints the table."""
    import tfflows

    name = sys.argv[1] if len(sys.argv) > 1 else "realnvp_digits"
    model = tfflows.zoo.create(name, weights="pretrained")
    figures = {"served": served_figures(model), **live_figures(model)}
    print(f"{name}: ms of wall time, ms of CPU time (rows for each second)\n")
    print("| signature | rows |" + "".join(f" {kind} |" for kind in figures))
    print("|---|---|" + "---|" * len(figures))
    for key in figures["served"]:
        signature, _, size = key.rpartition("_")
        cells = [
            f" {1e3 * wall:.2f}, {1e3 * cpu:.2f} ({int(size) / wall:,.0f}) |"
            for wall, cpu in (values[key] for values in figures.values())
        ]
        print(f"| {signature} | {int(size)} |" + "".join(cells))


if __name__ == "__main__":
    main()
