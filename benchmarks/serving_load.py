"""Latency and throughput of tfflows-serve under clients, beside the Keras model.

    python benchmarks/serving_load.py [REGISTERED_MODEL]

Exports the model with its trained weights, starts `tfflows-serve` on the loopback, and
asks it by `RestClient` from 1 and from 16 threads of this process, for 1 and for 64
rows a request, then calls the Keras model on the same inputs. Clients and server share
the machine's cores. A last column gives the server's own CPU time for a request.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

import tfflows
from tfflows.export.client import RestClient

_SECONDS = 4.0  # for each figure
_ROWS, _THREADS = (1, 64), (1, 16)


@contextmanager
def served(model: Any) -> Iterator[tuple[str, int]]:
    """Yields the url of a server of the model, and its process id."""
    with tempfile.TemporaryDirectory() as folder:
        tfflows.export.export_saved_model(model, os.path.join(folder, "flow"))
        command = [sys.executable, "-m", "tfflows.export.serve", "--port=0"]
        server = subprocess.Popen(
            [*command, f"--export_dir={folder}/flow"], stdout=subprocess.PIPE, text=True
        )
        try:
            yield server.stdout.readline().split()[-1], server.pid
        finally:
            server.terminate()
            server.wait()


def times(call: Callable[[], Any], seconds: float = _SECONDS) -> list[float]:
    """Durations of as many calls as fit, the first ones not counted."""
    for _ in range(3):
        call()
    durations, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return durations


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def calls(url: str, x: np.ndarray, seeds: np.ndarray) -> dict[str, Callable]:
    """What one client asks, by the name of the signature."""
    client = RestClient(url, "flow", retries=0)
    return {
        "log_prob": lambda: client.log_prob(x),
        "sample": lambda: client.sample(len(seeds), seeds),
    }


def row(what: str, durations: list[float], rows: int, cpu: float | None) -> str:
    """One line of the table."""
    median, late = np.quantile(durations, [0.5, 0.99]) * 1e3
    throughput = rows * len(durations) / _SECONDS
    own = "" if cpu is None else f"{1e3 * cpu / len(durations):.1f}"
    return f"| {what} | {rows} | {median:.1f} | {late:.1f} | {throughput:.0f} | {own} |"


def measure(name: str) -> Iterator[str]:
    """Yields the lines of the table."""
    model = tfflows.zoo.create(name, weights="pretrained")
    yield "| who | rows | median ms | 99 % ms | rows/s | server's CPU ms |"
    yield "|---|---|---|---|---|---|"
    with served(model) as (url, pid):
        for rows in _ROWS:
            seeds = np.stack([np.zeros(rows), np.arange(rows)], 1).astype(np.int32)
            ones = np.ones(rows, np.float32)
            x = model.sample_rows_and_log_prob(seeds, ones)[0].numpy()
            if model.levels is not None:
                x = np.clip(np.floor(x), 0, model.levels - 1).astype(np.uint8)
            live = {
                "log_prob": lambda x=x: model.predict_on_batch(x),
                "sample": lambda s=seeds, t=ones: model.sample_rows_and_log_prob(s, t),
            }
            for signature, call in live.items():
                yield row(f"{signature}, Keras model", times(call), rows, None)
                for threads in _THREADS:
                    asks = [calls(url, x, seeds)[signature] for _ in range(threads)]
                    start = cpu_seconds(pid)
                    with ThreadPoolExecutor(threads) as pool:
                        found = list(
                            itertools.chain.from_iterable(pool.map(times, asks))
                        )
                    cpu = cpu_seconds(pid) - start
                    what = f"{signature}, served, {threads} clients"
                    yield row(what, found, rows, cpu)


if __name__ == "__main__":
    for line in measure(sys.argv[1] if sys.argv[1:] else "realnvp_digits"):
        print(line, flush=True)
