"""Steps per second and the loss by number of replicas: `python benchmarks/replicas.py`.

Logical CPU devices and workers on one machine share its cores: the table shows that the
losses agree and what the coordination costs, not a speed-up. On a machine with GPUs the
mirrored row uses them.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time

ROWS = (
    ("one_device", 1, 1),
    ("mirrored", 2, 1),
    ("multi_worker", 1, 2),
)


def measure(strategy_name: str, cpu_devices: int, batch: int, steps: int) -> dict:
    """Trains in this process; seconds are those after the first step."""
    import keras
    import tensorflow as tf

    import tfflows
    from tfflows import training

    if not tf.config.list_physical_devices("GPU"):
        training.set_cpu_devices(cpu_devices)
    strategy = training.make_strategy(strategy_name)
    keras.utils.set_random_seed(0)
    source = tfflows.data.load("digits")
    with strategy.scope():
        flow = tfflows.models.glow(
            (8, 8, 1), levels=17, num_steps=4, num_levels=2, width=32
        )
        flow.initialize(source.arrays("train"))
        flow.compile(keras.optimizers.Adam(1e-3))
    data = source.training_batches(batch, seed=0)
    flow.fit(data, steps_per_epoch=1, verbose=0)
    wall, cpu = time.perf_counter(), time.process_time()
    history = flow.fit(data, steps_per_epoch=steps, verbose=0).history
    return {
        "replicas": strategy.num_replicas_in_sync,
        "batch": batch,
        "steps_per_second": steps / (time.perf_counter() - wall),
        "cpu_seconds_per_step": (time.process_time() - cpu) / steps,
        "loss": history["loss"][-1],
    }


def start(row: tuple[str, int, int], arguments: argparse.Namespace) -> list[dict]:
    """Runs one row's processes and returns what each measured."""
    name, devices, workers = row
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    processes = []
    for index in range(workers):
        environment = dict(os.environ)
        if name == "multi_worker":
            task = {"type": "worker", "index": index}
            cluster = {"cluster": {"worker": addresses}, "task": task}
            environment["TF_CONFIG"] = json.dumps(cluster)
        numbers = (devices, arguments.batch, arguments.steps)
        command = [sys.executable, __file__, "--row", name, *map(str, numbers)]
        processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, text=True
            )
        )
    outputs = [process.communicate()[0] for process in processes]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def main() -> None:
    """Prints the table, or measures one row in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--row", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        name, *numbers = arguments.row
        print(json.dumps(measure(name, *map(int, numbers))))
        return
    print("| strategy | replicas | global batch | steps/s | CPU s/step | loss |")
    print("|---|---|---|---|---|---|")
    for row in ROWS:
        results = start(row, arguments)
        cpu = sum(result["cpu_seconds_per_step"] for result in results)
        first = results[0]
        print(
            f"| {row[0]} | {first['replicas']} | {first['batch']} | "
            f"{first['steps_per_second']:.1f} | {cpu:.3f} | {first['loss']:.6f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
