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

from side_by_side.contestants.tfflows_fit import CONTESTANTS, MODELS, XLA
from side_by_side.workloads import WORKLOADS
from tfflows.backend import random
from tfflows.export import export_saved_model

# Whole loops, see `tfflows_fit.STEPS_PER_EXECUTION`.
_STEPS = {"realnvp": 50, "glow": 20, "spline": 50, "maf": 50, "planar_vae": 50}
_EXPORTED = {"realnvp": ("log_prob", "sample"), "planar_vae": ("sample",)}
_CALLS = 10
_ROWS = 12  # of a table
# What encloses others, waits, or is the profiler's own.
_NO_OPERATION = re.compile(
    r"Execut|Eager|Kernel|Function|Iterator|Prefetch|Threadpool|ThreadPool|TFE_|Thunk"
    r"|BlockUntil|ParallelFor|^__|^all_steps|^log_prob$|^sample$|^<lambda>|^while"
    r"|^end: |^tf\.|^signature_wrapper"
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
    compiled = ", XLA" if operation in XLA[name] else ""
    title = f"{WORKLOADS[name].title}: {operation}{compiled}"
    if operation == "train":
        return profile(title, lambda: contestant.train(_STEPS[name]), _STEPS[name])
    return profile(title, repeated(getattr(contestant, operation)), _CALLS)


def exported_table(name: str, signature: str) -> str:
    """The same of a signature of an export without XLA, run in TensorFlow Python."""
    workload = WORKLOADS[name]
    flow, x = MODELS[name](workload), workload.data()[: workload.num_events]
    flow.initialize(x[: workload.batch_size])
    with tempfile.TemporaryDirectory() as folder:
        path = export_saved_model(flow, folder, verify=False)
        function = tf.saved_model.load(path).signatures[signature]
    inputs = {"x": tf.constant(x)}
    if signature == "sample":
        seeds = random.fold_in(random.as_seed(0), tf.range(len(x)))
        inputs = {"seed": seeds, "temperature": tf.ones(len(x))}
    title = f"{workload.title}: {signature}, exported"
    return profile(title, repeated(lambda: function(**inputs)), _CALLS)


def repeated(function: Callable[[], object]) -> Callable[[], None]:
    """`_CALLS` calls."""

    def run() -> None:
        for _ in range(_CALLS):
            function()

    return run


def profile(title: str, run: Callable[[], object], times: int) -> str:
    """What takes most of the time in the second run, divided by the times."""
    run()
    sums = recorded(run)
    by_time = sorted(
        ((ms, key) for (key, unit), ms in sums.items() if unit == "ms"), reverse=True
    )
    lines = [f"**{title}**", "", "| operation | ms | calls |", "|---|---|---|"]
    for ms, key in by_time[:_ROWS]:
        lines.append(f"| {key} | {ms / times:.2f} | {sums[key, 'calls'] / times:.0f} |")
    if by_time[_ROWS:]:
        rest = sum(ms for ms, _ in by_time[_ROWS:]) / times
        lines.append(f"| {len(by_time) - _ROWS} others | {rest:.2f} | |")
    return "\n".join(lines)


def main() -> None:
    """Profiles the workloads asked for, all of their operations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", nargs="*", default=list(_STEPS))
    parser.add_argument("--output", default="profiles.md")
    arguments = parser.parse_args()
    tables = []
    for name in arguments.workloads:
        tables += [table(name, each) for each in WORKLOADS[name].operations]
        tables += [exported_table(name, each) for each in _EXPORTED.get(name, ())]
    made = (
        "# Where the time goes\n\nMade by `benchmarks/side_by_side/profiles.py`: "
        "milliseconds of a step or a call, by operation. Operations that run side by "
        "side add up to more than the time that passes."
    )
    text = "\n\n".join([made, *tables])
    pathlib.Path(arguments.output).write_text(text + "\n")


if __name__ == "__main__":
    main()
