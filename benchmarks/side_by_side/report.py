"""The tables of a comparison, as Markdown, and a plot of its ratios.

python benchmarks/side_by_side/report.py peers.json --output_dir docs/results
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
from typing import Any

import matplotlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from side_by_side.workloads import WORKLOADS, Workload

matplotlib.use("Agg")
from matplotlib import pyplot as plt

OURS = ("tfflows_fit", "tfflows_export", "tfflows_export_xla")
NO_PEER = (*OURS, "tf_convolutions")
_HEAD = """# Beside the peers

Made by `make bench`. [Performance](../performance.md) says how it was measured and what
it means. Ours are `tfflows_fit` (Keras), `tfflows_export` (the export in TensorFlow's C
API) and `tfflows_export_xla` (the same, compiled by XLA). `tf_convolutions` are the
convolutions of W2 alone. Times are medians, with the fastest and the slowest round in
parentheses."""


def main() -> None:
    """Writes peers.md and peers.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("--output_dir", default=".")
    arguments = parser.parse_args()
    read = json.loads(pathlib.Path(arguments.results).read_text())
    results = {name: read[name] for name in WORKLOADS if name in read}
    folder = pathlib.Path(arguments.output_dir)
    ratios = [row for name in results for row in ratio_rows(name, results[name])]
    parts = [_HEAD, _ratio_table(ratios)]
    for name, libraries in results.items():
        parts.append(_times_table(WORKLOADS[name], libraries))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.md").write_text("\n\n".join(parts) + "\n")
    _plot(ratios, folder / "peers.png")


def ratio_rows(name: str, libraries: dict[str, Any]) -> list[dict[str, Any]]:
    """For each operation, and each of ours that does it, the fastest peer over it."""
    rows = []
    for operation in WORKLOADS[name].operations:
        medians = {
            library: statistics.median(record["operations"][operation]["seconds"])
            for library, record in libraries.items()
            if operation in record["operations"]
        }
        peers = {k: v for k, v in medians.items() if k not in NO_PEER}
        if not peers:
            continue
        fastest = min(peers, key=peers.__getitem__)
        rows += [
            {
                "what": f"{WORKLOADS[name].title.split(',')[0]}, {operation}",
                "ours": ours,
                "fastest": fastest,
                "ratio": peers[fastest] / medians[ours],
            }
            for ours in OURS
            if ours in medians
        ]
    return rows


def _ratio_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| work | ours | fastest peer | its time / ours |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['what']} | {row['ours']} | {row['fastest']} | {row['ratio']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _times_table(workload: Workload, libraries: dict[str, Any]) -> str:
    """Medians, spreads, first calls, memory, parameters, and what shows the work."""
    heads = [f"{operation} [ms]" for operation in workload.operations]
    lines = [
        f"**{workload.title}**",
        "",
        "| library | parameters | " + " | ".join(heads) + " | first calls [s] | "
        "peak memory [MB] | loss [nats] |",
        "|---|---|" + "---|" * (len(heads) + 3),
    ]
    for library, record in libraries.items():
        operations = record["operations"]
        cells = [
            _spread(operations[name], workload, name) if name in operations else "-"
            for name in workload.operations
        ]
        first = ", ".join(f"{o['first_seconds']:.1f}" for o in operations.values())
        peak = max((o["peak_mb"] for o in operations.values()), default=0.0)
        lines.append(
            f"| {library} | {record['parameters'] or '-'} | {' | '.join(cells)} | "
            f"{first} | {peak:.0f} | {_losses(operations)} |"
        )
    return "\n".join(lines)


def _spread(record: dict[str, Any], workload: Workload, operation: str) -> str:
    count = workload.train_steps if operation == "train" else 1
    milliseconds = [1e3 * s / count for s in record["seconds"]]
    median = statistics.median(milliseconds)
    return f"{median:.1f} ({min(milliseconds):.1f} to {max(milliseconds):.1f})"


def _losses(operations: dict[str, Any]) -> str:
    losses = operations.get("train", {}).get("results")
    return f"{losses[0]:.1f} to {losses[-1]:.1f}" if losses else "-"


def _plot(rows: list[dict[str, Any]], path: pathlib.Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(rows) + 1))
    labels = [f"{row['what']} ({row['ours']})" for row in rows]
    axes.barh(labels, [row["ratio"] for row in rows], color="#4878a8")
    axes.axvline(1.0, color="black", linewidth=1)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("fastest peer's time / ours")
    axes.set_xscale("log")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
