"""Draws a column of the history.csv of training runs, by epoch.

python benchmarks/plot_history.py --output=curves.png runs/a runs/b
"""

from __future__ import annotations

import argparse
import pathlib

import matplotlib.pyplot as plt
import pandas as pd


def main() -> None:
    """Reads the runs' histories, writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model_dirs", type=pathlib.Path, nargs="+")
    parser.add_argument("--column", default="val_bits_per_dim")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
    for folder in arguments.model_dirs:
        history = pd.read_csv(folder / "history.csv")
        axes.plot(history["epoch"] + 1, history[arguments.column], "o-", ms=3)
        axes.annotate(
            f"{folder.name} {history[arguments.column].iloc[-1]:.3f}",
            (history["epoch"].iloc[-1] + 1, history[arguments.column].iloc[-1]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
    axes.set(xlabel="epoch", ylabel=arguments.column)
    axes.grid(alpha=0.3)
    figure.savefig(arguments.output, dpi=110)


if __name__ == "__main__":
    main()
