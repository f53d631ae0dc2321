"""Which flow? All families on the same data, trained for the same CPU time.

    python benchmarks/which_flow.py --results=which_flow.jsonl --data_dir=FOLDER

trains each family (`which_flow_rows.py`) on a toy, a table of 63 columns, digits and
MNIST for --seconds of CPU time a cell, without the first step, which traces. A line of
JSON for each cell goes to --results; a cell that has one is left out, so you can stop
and call again, or choose cells by --data and --families. --data_dir is TFDS's folder,
for the table and MNIST. Then:

    python benchmarks/which_flow.py --results=which_flow.jsonl --only_report \
        --picture=which_flow.png
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import gc
import json
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.density import TimeBudget  # noqa: E402 (after the path)
from benchmarks.which_flow_report import draw, read, tables  # noqa: E402
from benchmarks.which_flow_rows import COLUMNS, ROWS, Cell, Column  # noqa: E402
from tfflows import data, zoo  # noqa: E402
from tfflows.data.toy import TOYS  # noqa: E402
from tfflows.training.weight_decay import decay_matrices_only  # noqa: E402

# The data set shuffles itself.
_STEPS: dict[str, Any] = {"shuffle": False, "verbose": 0}


def configuration(cell: Cell, source: data.DataSource) -> zoo.ExperimentConfig:
    """The registered experiment of a cell, for the data of its column."""
    name, changes = (cell, {}) if isinstance(cell, str) else cell
    config = zoo.override(
        zoo.get_config(name), {f"model.{key}": value for key, value in changes.items()}
    )
    return dataclasses.replace(
        config,
        data=zoo.DataConfig(
            name=source.name, event_shape=source.event_shape, levels=source.levels
        ),
    )


def measured(
    column: str, family: str, source: data.DataSource, seconds: float
) -> dict[str, object]:
    """Trains and measures one cell."""
    config = configuration(getattr(ROWS[family], column), source)
    trainer, start = config.trainer, time.time()
    keras.utils.clear_session()
    keras.utils.set_random_seed(trainer.seed)
    model = config.build()
    model.initialize(source.arrays("train", limit=trainer.init_examples))
    optimizer = keras.optimizers.Adam(
        trainer.learning_rate,
        weight_decay=trainer.weight_decay or None,
        global_clipnorm=trainer.clip_norm,
    )
    decay_matrices_only(optimizer, model.trainable_weights)
    model.compile(optimizer)
    # All of one size: another one would be traced again, on the time of the training.
    batches = source.training_batches(trainer.batch_size, seed=trainer.seed)
    budget = TimeBudget(seconds, trainer.learning_rate)
    model.fit(batches, **_STEPS, steps_per_epoch=10**6, callbacks=[budget])
    return {
        "data": column,
        "family": family,
        "model": config.name,
        "parameters": sum(math.prod(w.shape) for w in model.trainable_weights),
        "steps": budget.steps,
        "batch_size": trainer.batch_size,
        "seconds": seconds,
        "figure": _figure(model, source, COLUMNS[column]),
        **_costs(model, source, COLUMNS[column]),
        # The rate is 0 by now: these steps change nothing.
        "memory_mb": _memory(lambda: model.fit(batches, **_STEPS, steps_per_epoch=2)),
        "wall_seconds": round(time.time() - start),
    }


def _figure(model: keras.Model, source: data.DataSource, column: Column) -> float:
    """KL(data || model), mean nats of -log p, or bits/dim, of test rows."""
    x = source.arrays("test", limit=column.tested)
    logs = model.evaluate(x, batch_size=500, verbose=0, return_dict=True)
    nll = float(logs["loss"])
    if column.unit == "bits/dim":
        return nll / (math.prod(source.event_shape) * math.log(2))
    if column.source in TOYS:
        return float(np.mean(TOYS[column.source].log_prob(x))) + nll
    return nll


def _costs(
    model: keras.Model, source: data.DataSource, column: Column
) -> dict[str, float]:
    """CPU milliseconds a row of a density (a VAE: of its bound) and of a sample."""
    x = tf.constant(source.arrays("test", limit=column.timed))
    is_vae = hasattr(model, "elbo")
    density = (lambda: model.elbo(x, seed=0)) if is_vae else lambda: model.log_prob(x)
    return {
        "density_ms": _cpu_time(density) / column.timed,
        "sample_ms": _cpu_time(lambda: model.sample(column.timed, seed=0))
        / column.timed,
    }


def _cpu_time(function: Callable[[], tf.Tensor]) -> float:
    """The mean of five calls as a graph, in milliseconds, after one that traces."""
    graph = tf.function(function, autograph=False)
    graph()
    start = time.process_time()
    for _ in range(5):
        graph()
    return 1000 * (time.process_time() - start) / 5


def _memory(function: Callable[[], object]) -> float | None:
    """The most memory that a call takes beyond what the process has, in MB.

    None where the kernel does not say.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        before = _status("VmRSS")
    except (OSError, AttributeError):
        return None
    function()
    return round((_status("VmHWM") - before) / 1024, 1)


def _status(key: str) -> int:
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def _source(column: str, data_dir: str | None) -> data.DataSource:
    name = COLUMNS[column].source
    return data.load(name, data_dir=None if name in data.list_datasets() else data_dir)


def _run_missing(arguments: argparse.Namespace) -> None:
    """Adds a line for each cell that has none."""
    # Threads that wait for each other would count as CPU time.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for column in arguments.data:
        source = _source(column, arguments.data_dir)
        for family in arguments.families:
            done = (column, family) in read(arguments.results)
            if done or getattr(ROWS[family], column) is None:
                continue
            row = measured(column, family, source, arguments.seconds)
            print(json.dumps(row), flush=True)
            with arguments.results.open("a") as file:
                file.write(json.dumps(row) + "\n")


def main() -> None:
    """Runs what is missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--data", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--families", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--data_dir")
    parser.add_argument("--only_report", action="store_true")
    parser.add_argument("--picture", type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.only_report:
        _run_missing(arguments)
    print(tables(read(arguments.results)))
    if arguments.picture:
        draw(read(arguments.results), arguments.picture)


if __name__ == "__main__":
    main()
