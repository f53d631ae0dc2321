"""Densities of real tables: `FlowDensity` beside its peers, on held-out rows.

    make .venv-peers/installed
    .venv-peers/bin/python benchmarks/tables/sources.py --output_dir=runs/tables
    .venv/bin/python benchmarks/tables/run.py --data_dir=runs/tables --quick
    .venv/bin/python benchmarks/tables/report.py --data_dir=runs/tables

The last but one adds a line to `<data_dir>/results.jsonl` for each table, split and
contestant that is not there yet, so that it can be stopped and called again; `--quick`
takes 4 tables and 2 splits. zuko's flows get the CPU seconds that `FlowDensity` took,
and at least 20.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 (after the path)

from benchmarks.tables.contestants import CONTESTANTS  # noqa: E402
from benchmarks.tables.sources import QUICK, TABLES, splits  # noqa: E402

_DRAWS = 1000
# `FlowDensity` takes one or two for few rows, in which a flow learns nothing.
_LEAST_SECONDS = 20.0
_PEERS = ROOT / ".venv-peers/bin/python"


def measured(
    data_dir: pathlib.Path, table: str, split: int, name: str, seconds: float
) -> dict:
    """Fits one contestant to one split, and scores the test rows."""
    x = np.load(data_dir / f"{table}.npz")["x"]
    train, test = splits(table, len(x), split + 1)[split]
    contestant = CONTESTANTS[name][1]()
    marks = [time.process_time()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        contestant.fit(x[train], seconds)
        marks.append(time.process_time())
        scores = np.asarray(contestant.score_samples(x[test]), "float64")
        marks.append(time.process_time())
        contestant.sample(_DRAWS)
        marks.append(time.process_time())
    times = np.diff(marks).round(3).tolist()
    return {
        "table": table,
        "split": split,
        "contestant": name,
        "log_likelihood": float(scores.mean()),
        "standard_error": float(scores.std() / np.sqrt(len(scores))),
        **dict(zip(("fit", "score", "sample"), times, strict=True)),
        "scored": len(test),
        "rows": len(train),
        "columns": x.shape[1],
    }


def read(path: pathlib.Path) -> list[dict]:
    """The results so far."""
    return [json.loads(line) for line in path.open()] if path.exists() else []


def _in_own_process(arguments: argparse.Namespace, job: tuple, seconds: float) -> None:
    table, split, name = job
    own = CONTESTANTS[name][0] == "own"
    command = [
        *(sys.executable if own else _PEERS, __file__),
        f"--data_dir={arguments.data_dir}",
        *("--one", table, str(split), name, str(seconds)),
    ]
    subprocess.run(command, check=False)


def main() -> None:
    """Runs what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tables", nargs="+")
    parser.add_argument("--splits", type=int)
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path = arguments.data_dir / "results.jsonl"
    if arguments.one:
        table, split, name, seconds = arguments.one
        row = measured(arguments.data_dir, table, int(split), name, float(seconds))
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)
        return
    tables = arguments.tables or (QUICK if arguments.quick else list(TABLES))
    for split in range(arguments.splits or (2 if arguments.quick else 5)):
        for table in tables:
            for name in arguments.contestants:
                done = {(r["table"], r["split"]): {} for r in read(path)}
                for r in read(path):
                    done[r["table"], r["split"]][r["contestant"]] = r
                found = done.get((table, split), {})
                seconds = found.get("FlowDensity", {}).get("fit", 120.0)
                seconds = max(seconds, _LEAST_SECONDS)
                if name not in found:
                    _in_own_process(arguments, (table, split, name), seconds)


if __name__ == "__main__":
    main()
