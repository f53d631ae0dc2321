"""The results of benchmarks/tables/run.py as a table with ranks and a picture.

    .venv/bin/python benchmarks/tables/report.py --data_dir=runs/tables

writes `tables.md` and `tables.png` beside the results.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import matplotlib as mpl  # noqa: E402 (after the path)
import numpy as np  # noqa: E402

from benchmarks.tables.contestants import CONTESTANTS  # noqa: E402
from benchmarks.tables.run import read  # noqa: E402
from benchmarks.tables.sources import TABLES  # noqa: E402


def means(rows: list[dict]) -> dict[str, dict[str, tuple[float, float, int]]]:
    """By table and contestant: mean over splits, its standard error, splits.

    The error is that of the test rows, or of the spread between splits if larger.
    """
    found: dict[str, dict[str, list[dict]]] = {}
    for row in rows:
        found.setdefault(row["table"], {}).setdefault(row["contestant"], []).append(row)
    return {
        table: {name: _mean(each) for name, each in by_name.items()}
        for table, by_name in found.items()
    }


def _mean(rows: list[dict]) -> tuple[float, float, int]:
    values = np.array([row["log_likelihood"] for row in rows])
    errors = np.array([row["standard_error"] for row in rows])
    own = np.sqrt(np.sum(errors**2)) / len(rows)
    between = values.std(ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else 0.0
    return float(values.mean()), float(max(own, between)), len(rows)


def ranks(table: dict[str, tuple[float, float, int]]) -> dict[str, float]:
    """The rank of each contestant, 1 the best."""
    order = sorted(table, key=lambda name: -table[name][0])
    return {name: order.index(name) + 1.0 for name in order}


def markdown(rows: list[dict]) -> str:
    """The table, mean ranks, and CPU seconds."""
    names, by_table = list(CONTESTANTS), means(rows)
    lines = [f"| table | rows x columns | {' | '.join(names)} |"]
    lines.append("|---" * (len(names) + 2) + "|")
    complete = {t: r for t, r in by_table.items() if len(r) == len(names)}
    for table in (name for name in TABLES if name in by_table):
        size = next(row for row in rows if row["table"] == table)
        cells = [_cell(by_table[table], name) for name in names]
        shape = f"{size['rows']:,} x {size['columns']}"
        lines.append(f"| {table} | {shape} | {' | '.join(cells)} |")
    if complete:
        each = [ranks(table) for table in complete.values()]
        mean = [f"{np.mean([r[name] for r in each]):.2f}" for name in names]
        lines.append(f"| mean rank | | {' | '.join(mean)} |")
    for what in ("fit", "score", "sample"):
        cells = [_seconds(rows, name, what) for name in names]
        lines.append(f"| CPU s, {what} | | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(table: dict[str, tuple[float, float, int]], name: str) -> str:
    if name not in table:
        return ""
    mean, error, _ = table[name]
    text = f"{mean:.3f} +- {error:.3f}"
    return f"**{text}**" if mean == max(m for m, _, _ in table.values()) else text


def _seconds(rows: list[dict], name: str, what: str) -> str:
    values = [row[what] for row in rows if row["contestant"] == name]
    return f"{np.median(values):.2f}" if values else ""


def picture(rows: list[dict], path: pathlib.Path) -> None:
    """Draws each contestant's nats per column below the best, by table."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    by_table = means(rows)
    tables = [name for name in TABLES if name in by_table]
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.3 * len(tables)))
    for name, marker in zip(CONTESTANTS, "os^vD", strict=True):
        points = []
        for place, table in enumerate(tables):
            if name in by_table[table]:
                best = max(mean for mean, _, _ in by_table[table].values())
                columns = next(r["columns"] for r in rows if r["table"] == table)
                lost = (best - by_table[table][name][0]) / columns
                points.append((min(lost, 2.0), place))
        axes.plot(*np.array(points).reshape(-1, 2).T, marker, label=name, alpha=0.8)
    axes.set_yticks(range(len(tables)), tables)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=0.01)
    axes.set_xlabel("nats a column below the best (2 and more at the border)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, fontsize=8)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main() -> None:
    """Writes table and picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    folder = parser.parse_args().data_dir
    rows = read(folder / "results.jsonl")
    text = markdown(rows)
    (folder / "tables.md").write_text(text)
    picture(rows, folder / "tables.png")
    print(text)


if __name__ == "__main__":
    main()
