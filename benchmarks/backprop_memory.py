"""Memory and time of a training step by `backprop` and depth.

    python benchmarks/backprop_memory.py

trains a few steps of Glow (K steps of width 128 on 32x32x3, one level) in a process of
its own for each row of the table, and prints the peak of its memory less the peak of
the same program at batch 1, the median time of a step, and the CPU time of a step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

BACKPROPS = ("stored", "remat", "reversible")


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Trains in this process; its peak memory and the times of a step."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tfflows.models import glow

    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    keras.utils.set_random_seed(0)
    flow = glow(
        (32, 32, 3),
        num_steps=options.depths[0],
        num_levels=options.levels,
        width=options.width,
        levels=256,
        backprop=options.backprops[0],
    )
    shape = (options.batch_size, 32, 32, 3)
    images = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    flow.initialize(images[:2])
    flow.compile(keras.optimizers.Adam(1e-4), jit_compile=options.jit_compile)
    step = tf.function(flow.train_step, jit_compile=options.jit_compile)
    batch, times, cpu_times = tf.constant(images), [], []
    for _ in range(options.steps + 2):
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = float(step(batch)["loss"])
        times.append(time.perf_counter() - start)
        cpu_times.append(time.process_time() - cpu_start)
    return {
        "peak": peak_memory(),
        "first": times[0],
        "seconds": statistics.median(times[2:]),
        "cpu_seconds": statistics.median(cpu_times[2:]),
        "loss": loss,
    }


def peak_memory() -> float:
    """The most memory that this process has had, in MiB."""
    # Linux's ru_maxrss begins with that of the process that started this one.
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def in_process(options: argparse.Namespace, **changes: object) -> dict[str, float]:
    """`measure` in a process of its own."""
    values = {**vars(options), **changes, "measure": None}
    command = [sys.executable, __file__, "--measure"]
    for name, value in values.items():
        if value is True:
            command.append(f"--{name}")
        elif isinstance(value, tuple | list):
            command += [f"--{name}", *map(str, value)]
        elif value not in (None, False):
            command += [f"--{name}", str(value)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints the table, or with --measure one row's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=(4, 8, 16, 32))
    parser.add_argument("--backprops", nargs="+", choices=BACKPROPS, default=BACKPROPS)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch_size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jit_compile", action="store_true")
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)))
        return
    print("| backprop | K | activations, MB | s/step | CPU s/step | loss |")
    print("|---|---|---|---|---|---|")
    for backprop in options.backprops:
        for depth in options.depths:
            one = {"backprops": [backprop], "depths": [depth]}
            row = in_process(options, **one)
            least = in_process(options, **one, batch_size=1, steps=1)["peak"]
            print(
                f"| {backprop} | {depth} | {row['peak'] - least:.0f} | "
                f"{row['seconds']:.2f} | {row['cpu_seconds']:.2f} | "
                f"{row['loss']:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
