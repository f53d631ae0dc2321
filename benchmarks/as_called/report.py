"""The tables of calls as users write them, as Markdown, and a picture.

python benchmarks/as_called/report.py as_called.json --output_dir docs/results
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

from as_called.libraries.times import times_of
from as_called.work import CALLS, OURS, PEERS, WAYS

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_LIBRARIES = [*OURS, *PEERS]
_HEAD = """# As users call them

Made by `make bench`. A RealNVP on 43 dimensions (10 couplings, networks of 2x128) is
made, called and trained in each library as its documentation does it, and compiled in
its own way (`benchmarks/as_called/libraries`). Times are medians over rounds in which
the processes take turns. The ratio is the median over the rounds of the peer's time
divided by ours in the same round. "Products" are the products of the dense layers
alone, under XLA, without the call: on these layers no library can be faster."""


class Rows:
    """The results of `run.py`."""

    def __init__(self, path: str) -> None:
        self._rows = json.loads(pathlib.Path(path).read_text())

    def times(self, row: str, key: str = "wall") -> list[float]:
        """One number a round; empty where the row has an error."""
        found = self._rows.get(row, [])
        return [] if any("error" in one for one in found) else [r[key] for r in found]

    def median(self, row: str, key: str = "wall") -> float | None:
        """The median over rounds; None without any."""
        found = self.times(row, key)
        return statistics.median(found) if found else None

    def sizes(self) -> list[tuple[str, int]]:
        """The calls, and `fit` with its number of steps."""
        fits = {int(row.split()[3]) for row in self._rows if " fit " in row}
        return [*CALLS, *(("fit", steps) for steps in sorted(fits)[:1])]


def cases(rows: Rows, key: str) -> list[dict[str, Any]]:
    """For each call, ours, the fastest peer plain and compiled, and the products."""
    found = []
    for name, size in rows.sizes():
        per = size if name == "fit" else 1
        case = {"name": name, "size": size}
        for way in WAYS:
            ours = rows.times(f"tfflows {way} {name} {size}", key)
            peers = {
                peer: rows.times(f"{peer} {way} {name} {size}", key)
                for peer in _LIBRARIES[1:]
            }
            peers = {peer: times for peer, times in peers.items() if times}
            if not ours or not peers:
                continue
            fastest = min(peers, key=lambda peer: statistics.median(peers[peer]))
            pairs = zip(peers[fastest], ours, strict=False)
            case[way] = {
                "ours": statistics.median(ours) / per,
                "peer": fastest,
                "theirs": statistics.median(peers[fastest]) / per,
                "ratio": statistics.median(theirs / own for theirs, own in pairs),
            }
        products = rows.median(f"products compiled {name} {size}", key)
        if products is not None:
            case["products"] = products / per / times_of(name, size)
        found.append(case)
    return found


def comparison(found: list[dict[str, Any]], key: str) -> str:
    """The table of ratios."""
    what = "CPU ms" if key == "cpu" else "ms"
    lines = [
        f"| call | rows | tfflows, {what} | fastest peer | its {what} | its / ours | "
        "compiled: tfflows | fastest peer | its / ours | products alone | "
        "ours / products |",
        "|---|---|" + "---|" * 9,
    ]
    for case in found:
        is_fit = case["name"] == "fit"
        name, size = ("fit, a step", 512) if is_fit else (case["name"], case["size"])
        cells = [f"`{name}`" if not is_fit else name, f"{size:,}"]
        plain, compiled = case.get("plain"), case.get("compiled")
        cells += _cells(plain, ("ours", "peer", "theirs", "ratio"))
        if compiled:
            compiled["peer"] += f" {compiled['theirs']:.2f}"
        cells += _cells(compiled, ("ours", "peer", "ratio"))
        products = case.get("products")
        cells.append("-" if products is None else f"{products:.3f}")
        both = products and plain
        cells.append(f"{plain['ours'] / products:.1f}" if both else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(case: dict[str, Any] | None, names: tuple[str, ...]) -> list[str]:
    if case is None:
        return ["-"] * len(names)
    return [c if isinstance(c := case[n], str) else f"{c:.2f}" for n in names]


def all_times(rows: Rows, key: str) -> str:
    """Each library and way, the median and range of its rounds."""
    sizes = rows.sizes()
    heads = ["fit, a step" if n == "fit" else f"{n} {s:,}" for n, s in sizes]
    lines = [
        "| library | way | " + " | ".join(heads) + " |",
        "|---|---|" + "---|" * len(sizes),
    ]
    for library in _LIBRARIES:
        for way in WAYS:
            cells = []
            for name, size in sizes:
                per = size if name == "fit" else 1
                times = [
                    t / per for t in rows.times(f"{library} {way} {name} {size}", key)
                ]
                middle = statistics.median(times) if times else 0.0
                cells.append(f"{middle:.2f} ({min(times):.2f})" if times else "-")
            lines.append(f"| {library} | {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def first_calls(rows: Rows) -> str:
    """Seconds from a fresh process to the first result."""
    lines = [
        "| library | first density | first sample | first training step |",
        "|---|---|---|---|",
    ]
    for library in _LIBRARIES:
        cells = []
        for name in ("log_prob", "sample", "fit"):
            row = f"{library} first {name}"
            wall, cpu = rows.median(row), rows.median(row, "cpu")
            cells.append("-" if wall is None else f"{wall:.1f}, {cpu:.1f}")
        lines.append(f"| {library} | " + " | ".join(cells) + " |")
    row = "tensorflow first import"
    if (wall := rows.median(row)) is not None:
        cpu = rows.median(row, "cpu")
        lines.append(f"| (`import tensorflow`) | {wall:.1f}, {cpu:.1f} | | |")
    return "\n".join(lines)


def plot(rows: Rows, path: pathlib.Path, key: str) -> None:
    """Milliseconds of each plain call, one mark a library; ours stands out."""
    sizes = rows.sizes()
    figure, axes = plt.subplots(figsize=(9, 4.5))
    for number, library in enumerate(_LIBRARIES):
        values = [rows.median(f"{library} plain {n} {s}", key) for n, s in sizes]
        per = [s if n == "fit" else 1 for n, s in sizes]
        both = enumerate(zip(values, per, strict=True))
        points = [(k, v / p) for k, (v, p) in both if v is not None]
        own = library == "tfflows"
        axes.plot(
            [k + 0.07 * (number - 3) for k, _ in points],
            [v for _, v in points],
            "D" if own else "o",
            markersize=9 if own else 6,
            color="#c44e52" if own else plt.cm.Blues(0.35 + 0.1 * number),
            label=library,
        )
    for k, (name, size) in enumerate(sizes):
        products = rows.median(f"products compiled {name} {size}", key)
        if products is not None:
            value = products / times_of(name, size) / (size if name == "fit" else 1)
            axes.hlines(value, k - 0.35, k + 0.35, color="black", linewidth=1)
    axes.set_xticks(range(len(sizes)))
    axes.set_xticklabels(
        ["fit\na step of 512" if n == "fit" else f"{n}\n{s:,} rows" for n, s in sizes]
    )
    axes.set_yscale("log")
    axes.set_ylabel("CPU ms" if key == "cpu" else "ms")
    axes.set_title("Plain calls; the line is the products alone")
    axes.legend(fontsize=8, ncol=2)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Writes as_called.md and as_called.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("--output_dir", default=".")
    parser.add_argument(
        "--time", choices=("wall", "cpu"), default="wall", help="cpu: on a busy machine"
    )
    options = parser.parse_args()
    rows, folder = Rows(options.results), pathlib.Path(options.output_dir)
    parts = [
        _HEAD,
        comparison(cases(rows, options.time), options.time),
        "![plain calls](as_called.png)",
        "**All times**, median and fastest round, milliseconds:",
        all_times(rows, options.time),
        "**First calls**, from the start of a process, with the default builder and 64 "
        "rows (one step of 512 for training): seconds of wall time, and of CPU time:",
        first_calls(rows),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "as_called.md").write_text("\n\n".join(parts) + "\n")
    plot(rows, folder / "as_called.png", options.time)


if __name__ == "__main__":
    main()
