"""Normal numbers of one seed beside those of a seed per row, in milliseconds.

Run `python benchmarks/random_numbers.py [--rounds 30]` in the checkout. It calls each
function in turn, without XLA and with it, and prints the medians.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from tfflows.backend import random

SIZES = ((64, 43), (4096, 43), (4096, 784))


def of_rows(seed: tf.Tensor, number: tf.Tensor, count: int) -> tf.Tensor:
    """Threefry, by a seed per row: what served samples and training noise need."""
    return random.normal_rows(random.fold_in(seed, tf.range(number)), count)


def of_seed(seed: tf.Tensor, number: tf.Tensor, count: int) -> tf.Tensor:
    """Philox, by one seed: what `sample(n, seed)` and `sample_n` need."""
    return random.normal_rows(random.RowsOfSeed(seed, number), count)


def compiled(draw: Callable, rows: int, count: int, xla: bool) -> Callable:
    """The draw as a graph of fixed sizes."""

    @tf.function(jit_compile=xla)
    def draws(seed: tf.Tensor) -> tf.Tensor:  # no constant, which would be folded
        return draw(seed, tf.constant(rows), count)

    return functools.partial(draws, random.as_seed(3))


def milliseconds(functions: dict[str, Callable], rounds: int) -> dict[str, float]:
    """The median of each function, called in turn."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print("rows x numbers, XLA: a seed per row, one seed")
    for rows, count in SIZES:
        for xla in (False, True):
            functions = {
                draw.__name__: compiled(draw, rows, count, xla)
                for draw in (of_rows, of_seed)
            }
            found = milliseconds(functions, rounds)
            print(
                f"{rows:5} x {count:3}, {'yes' if xla else 'no ':3}: "
                f"{found['of_rows']:8.2f} {found['of_seed']:8.2f}"
            )


if __name__ == "__main__":
    main()
