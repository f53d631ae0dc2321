"""A million rows, a hundred of them bad, through tfflows-score: none is lost.

    python benchmarks/score_rows.py --folder=scoring

exports the trained realnvp_two_moons, writes rows drawn from its data with bad ones
among them to csv, scores them on the local runner, and checks that every row is either
scored, with the log-density that the model itself gives, or among the bad ones.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

import tfflows

BAD = ("1.0", "1,2,3", "a,b", "1,nan", "inf,2", "1,", "", "1e60,0")


def write_rows(path: pathlib.Path, number: int, num_bad: int) -> np.ndarray:
    """Writes the csv file; returns the good rows `[number - num_bad, 2]`."""
    rows = tfflows.data.toy.two_moons.sample(number - num_bad, seed=1)
    lines = [f"{a},{b}" for a, b in np.asarray(rows).tolist()]
    places = np.random.default_rng(0).choice(number - num_bad, num_bad, replace=False)
    for i, place in enumerate(places):
        lines[place] += f"\n{BAD[i % len(BAD)]}"
    path.write_text("\n".join(["left,right", *lines]) + "\n")
    return np.asarray(rows)


def check(output: pathlib.Path, rows: np.ndarray, num_bad: int) -> dict[str, int]:
    """Raises ValueError where a row is missing, changed or wrongly scored."""
    scored = pd.concat(map(pd.read_csv, sorted(output.glob("scored-*.csv"))))
    bad = [line for path in output.glob("bad-*") for line in path.open()]
    got = scored[["left", "right"]].to_numpy("float32")
    same = np.array_equal(
        got[np.lexsort(got.T)], rows.astype("float32")[np.lexsort(rows.T)]
    )
    flow = tfflows.zoo.create("realnvp_two_moons", weights="pretrained")
    wanted = flow.predict(got, batch_size=8192, verbose=0)
    error = float(np.max(np.abs(scored["log_prob"].to_numpy() - wanted)))
    if not same or len(bad) != num_bad or not error < 1e-3:
        raise ValueError(
            f"expected the same {len(rows)} rows and {num_bad} bad ones, got "
            f"{len(got)}, {len(bad)}, and an error of {error} nats"
        )
    return {"scored": len(got), "bad": len(bad), "largest_error_nats": error}


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--bad", type=int, default=100)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    flow = tfflows.zoo.create("realnvp_two_moons", weights="pretrained")
    tfflows.export.export_saved_model(flow, options.folder / "export")
    rows = write_rows(options.folder / "rows.csv", options.rows, options.bad)
    start = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "tfflows.export.score"),
            f"--export_dir={options.folder / 'export'}",
            f"--input={options.folder / 'rows.csv'}",
            f"--output={options.folder / 'scores'}",
        ],
        check=True,
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "rows": options.rows,
        **check(options.folder / "scores", rows, options.bad),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
