"""Gradients of convolutions: TensorFlow's own beside `tfflows.backend.convolution`.

    python benchmarks/convolution_gradients.py

Milliseconds of both gradients, medians of calls in turn, of the convolutions of W2's
couplings (16 images), as a Markdown table: without XLA, and under XLA in a loop, as the
steps of one execution are.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from tfflows.backend.convolution import convolve

BATCH, WIDTH = 16, 128
CALLS, LOOP = 30, 5
# Side of the image, channels of the coupling's input and output.
LEVELS = [(16, 6, 12), (8, 12, 24), (4, 24, 48)]


def plain(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """TensorFlow's convolution."""
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def gradients_of(convolution: Callable, xla: bool) -> Callable:
    """Both gradients, under XLA several times in a loop."""

    def once(x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolution(x, kernel)
        return tape.gradient(y, [x, kernel], dy)

    @tf.function(jit_compile=xla)
    def function(x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor) -> list[tf.Tensor]:
        if not xla:
            return once(x, kernel, dy)
        for _ in tf.range(LOOP):
            dx, of_kernel = once(x, kernel, dy)
            x, kernel = x + 1e-3 * dx, kernel + 1e-3 * of_kernel
        return [x, kernel]

    return function


def milliseconds(functions: list[Callable], xla: bool, *args: tf.Tensor) -> list[float]:
    """Medians of calls, by turns."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function(*args)  # compiles
    for _ in range(CALLS // LOOP if xla else CALLS):
        for function, measured in zip(functions, times, strict=True):
            start = time.perf_counter()
            function(*args)[0].numpy()
            measured.append(time.perf_counter() - start)
    return [1e3 * statistics.median(each) / (LOOP if xla else 1) for each in times]


def main() -> None:
    """Prints the table."""
    print("| image | kernel | plain | ours | XLA, plain | XLA, ours |")
    print("|---|---|---|---|---|---|")
    for side, kept, outputs in LEVELS:
        for window, channels, filters in [
            (3, kept, WIDTH),
            (1, WIDTH, WIDTH),
            (3, WIDTH, outputs),
        ]:
            args = [
                tf.random.normal((BATCH, side, side, channels)),
                tf.random.normal((window, window, channels, filters)) / 100,
                tf.random.normal((BATCH, side, side, filters)),
            ]
            figures = [
                f"{each:.1f}"
                for xla in (False, True)
                for each in milliseconds(
                    [gradients_of(plain, xla), gradients_of(convolve, xla)], xla, *args
                )
            ]
            kernel = f"{window}x{window}, {channels} to {filters}"
            print(f"| {side}x{side} | {kernel} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
