"""Where the time of tfflows' workloads goes, by operation, as Markdown tables.

    python benchmarks/side_by_side/profiles.py --output=docs/results/profiles.md

TensorFlow's profiler records a round of each workload; of a program that XLA compiled,
its kernels, by their names. Operations that run side by side add up to more than the
time that passes; recording itself takes time.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import tensorflow as tf

from side_by_side.contestants.tfflows_fit import CONTESTANTS, XLA
from side_by_side.workloads import WORKLOADS

# Whole loops, see `tfflows_fit.STEPS_PER_EXECUTION`.
_STEPS = {"realnvp": 50, "glow": 20, "spline": 50, "maf": 50, "planar_vae": 50}
_CALLS = 10
_ROWS = 12  # of a table
# What encloses others, waits, or is the profiler's own.
_NO_OPERATION = re.compile(
    r"Execut|Eager|Kernel|Function|Iterator|Prefetch|Threadpool|ThreadPool|TFE_|Thunk"
    r"|BlockUntil|ParallelFor|^__|^all_steps|^log_prob$|^sample$|^<lambda>|^while"
    r"|^end: |^tf\."
)


def recorded(function: Callable[[], object]) -> collections.Counter[tuple[str, str]]:
    """Milliseconds and calls of each operation while the function runs.

    Returns:
      Sums by (name, "ms") and (name, "calls"). The numbers at the ends of kernels'
      names are dropped.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            function()
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space.ParseFromString(file.read_bytes())
    sums: collections.Counter[tuple[str, str]] = collections.Counter()
    (plane,) = [plane for plane in space.planes if plane.name == "/host:CPU"]
    for event in (event for line in plane.lines for event in line.events):
        metadata = plane.event_metadata[event.metadata_id]
        name = re.sub(r"\.[.\d]+$", "", metadata.display_name or metadata.name)
        if not _NO_OPERATION.search(name):
            sums[name, "ms"] += event.duration_ps / 1e9
            sums[name, "calls"] += 1
    return sums


def table(name: str, operation: str) -> str:
    """One operation of a workload: milliseconds and calls a step, or a call."""
    contestant = CONTESTANTS[name](WORKLOADS[name])
    times = _STEPS[name] if operation == "train" else _CALLS

    def run() -> None:
        if operation == "train":
            contestant.train(times)
        else:
            for _ in range(times):
                getattr(contestant, operation)()

    run()
    sums = recorded(run)
    compiled = ", XLA" if operation in XLA[name] else ""
    by_time = sorted(
        ((ms, key) for (key, unit), ms in sums.items() if unit == "ms"), reverse=True
    )
    lines = [
        f"**{WORKLOADS[name].title}: {operation}{compiled}**",
        "",
        "| operation | ms | calls |",
        "|---|---|---|",
    ]
    for ms, key in by_time[:_ROWS]:
        lines.append(f"| {key} | {ms / times:.2f} | {sums[key, 'calls'] / times:.0f} |")
    rest = sum(ms for ms, _ in by_time[_ROWS:])
    return "\n".join(
        [*lines, f"| {len(by_time) - _ROWS} others | {rest / times:.2f} | |"]
    )


def main() -> None:
    """Profiles the workloads asked for, all of their operations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", nargs="*", default=list(_STEPS))
    parser.add_argument("--output", default="profiles.md")
    arguments = parser.parse_args()
    tables = [
        table(name, operation)
        for name in arguments.workloads
        for operation in WORKLOADS[name].operations
    ]
    made = "Made by `benchmarks/side_by_side/profiles.py`: ms of a step or a call."
    text = "\n\n".join([made, *tables])
    pathlib.Path(arguments.output).write_text(text + "\n")


if __name__ == "__main__":
    main()
