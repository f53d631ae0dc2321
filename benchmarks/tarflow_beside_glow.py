"""TarFlow beside Glow on MNIST: about equal parameters, equal training time.

    python -m benchmarks.tarflow_beside_glow --data_dir=FOLDER --seconds=600

trains `glow_mnist_small` and `tarflow_mnist_small` for the same seconds of CPU time,
counted after the graph is traced, with the schedule of `benchmarks/density.py`, and
prints bits/dim of the 10,000 test images with two standard errors. Figures use one
fixed dequantization noise.
"""

from __future__ import annotations

import argparse
import math

from benchmarks.density import train

MODELS = ("glow_mnist_small", "tarflow_mnist_small")


def main() -> None:
    """Trains both, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--models", nargs="+", default=MODELS)
    arguments = parser.parse_args()
    print("| model | parameters | steps | images | test bits/dim |")
    print("|---" * 5 + "|")
    for name in arguments.models:
        row = train(name, arguments.data_dir, arguments.seconds)
        per_bit = 784 * math.log(2)
        bits = -row["log_likelihood"] / per_bit
        error, images = row["two_errors"] / per_bit, row["steps"] * row["batch_size"]
        cells = f"{row['parameters']:,} | {row['steps']:,} | {images:,}"
        print(f"| `{name}` | {cells} | {bits:.3f} +- {error:.3f} |", flush=True)


if __name__ == "__main__":
    main()
