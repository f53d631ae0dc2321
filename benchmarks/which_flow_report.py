"""Tables and a picture of what `which_flow.py` measured."""

from __future__ import annotations

import json
import pathlib

from benchmarks.which_flow_rows import COLUMNS, ROWS, Row


def read(path: pathlib.Path) -> dict[tuple[str, str], dict]:
    """The results so far, by data and family."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["data"], row["family"]): row for row in rows}


def tables(results: dict[tuple[str, str], dict]) -> str:
    """What each family is with its figures, and what each cell costs, as Markdown."""
    heads = [f"{name}, {column.unit}" for name, column in COLUMNS.items()]
    lines = [
        f"| family | likelihood | density | sample | {' | '.join(heads)} |",
        "|---" * (4 + len(heads)) + "|",
    ]
    for family, row in ROWS.items():
        cells = [_shown(row, name, results.get((name, family))) for name in COLUMNS]
        facts = (family, row.likelihood, row.density, row.sample, *cells)
        lines.append(f"| {' | '.join(facts)} |")
    lines += [
        "",
        "| data | family | parameters | steps of | density, ms | sample, ms | "
        "step, MB |",
        "|---" * 7 + "|",
    ]
    for name in COLUMNS:
        for family in ROWS:
            if (name, family) in results:
                lines.append(_costs_shown(results[name, family]))
    return "\n".join(lines)


def _shown(row: Row, column: str, result: dict | None) -> str:
    if getattr(row, column) is None:
        return ""
    return "not run" if result is None else f"{result['figure']:.3f}"


def _costs_shown(result: dict) -> str:
    memory = result["memory_mb"]
    cells = (
        result["data"],
        result["family"],
        f"{result['parameters']:,}",
        f"{result['steps']:,} of {result['batch_size']}",
        f"{result['density_ms']:.3g}",
        f"{result['sample_ms']:.3g}",
        "" if memory is None else f"{memory:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def draw(results: dict[tuple[str, str], dict], path: pathlib.Path) -> None:
    """The figure of each family over the price of its samples, for each data set."""
    import matplotlib.pyplot as plt

    names = [name for name in COLUMNS if any(name == data for data, _ in results)]
    figure, axes = plt.subplots(
        1,
        len(names),
        figsize=(4.5 * len(names), 4),
        layout="constrained",
        squeeze=False,
    )
    for axis, name in zip(axes[0], names, strict=True):
        for row in [row for row in results.values() if row["data"] == name]:
            place = (row["sample_ms"], row["figure"])
            axis.plot(*place, "o")
            axis.annotate(
                row["family"], place, (4, 4), textcoords="offset points", fontsize=8
            )
        unit = COLUMNS[name].unit
        axis.set(xscale="log", xlabel="a sample, CPU ms", ylabel=unit, title=name)
        axis.margins(0.35)
    figure.savefig(path, dpi=110)
