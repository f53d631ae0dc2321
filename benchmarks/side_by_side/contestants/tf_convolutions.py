"""The convolutions of a Glow's conditioners and nothing else: the machine's measure."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import tensorflow as tf

from side_by_side.workloads import Workload


class ConvolutionChains:
    """On each level a plain chain of its couplings' convolutions, each level by itself.

    A step is the forward pass and the gradients of kernels and inputs.
    """

    def __init__(self, workload: Workload) -> None:
        sizes = workload.model
        height, _, channels = workload.event_shape
        self._kernels: list[list[tf.Variable]] = []
        self._inputs: list[tf.Tensor] = []
        for _ in range(sizes["num_levels"]):
            height, channels = height // 2, channels * 4
            one = _coupling_shapes(channels, sizes["width"])
            chain = [_kernel(shape) for shape in one * sizes["num_steps"]]
            self._kernels.append(chain)
            shape = (workload.batch_size, height, height, channels // 2)
            self._inputs.append(tf.random.normal(shape))
            channels //= 2
        self._step = tf.function(self._gradients)

    def num_parameters(self) -> int:
        """Numbers in the kernels."""
        return sum(int(np.prod(k.shape)) for chain in self._kernels for k in chain)

    def _gradients(self) -> tf.Tensor:
        total = tf.constant(0.0)
        for x, kernels in zip(self._inputs, self._kernels, strict=True):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(_chain(x, kernels))
            for gradient in tape.gradient(loss, [x, *kernels]):
                total += tf.reshape(gradient, [-1])[0]
        return total

    def train(self, steps: int) -> float:
        """Steps without an optimizer."""
        for _ in range(steps):
            total = self._step()
        return float(total.numpy())


def _chain(x: tf.Tensor, kernels: list[tf.Variable]) -> tf.Tensor:
    for number, kernel in enumerate(kernels):
        x = tf.nn.conv2d(x, kernel, 1, "SAME")
        if number % 3 == 2:  # a coupling's output has twice the channels of its input
            x = x[..., : x.shape[-1] // 2]
    return x


def _coupling_shapes(channels: int, width: int) -> list[tuple[int, int, int, int]]:
    kept = channels // 2
    return [(3, 3, kept, width), (1, 1, width, width), (3, 3, width, channels)]


def _kernel(shape: tuple[int, ...]) -> tf.Variable:
    return tf.Variable(tf.random.normal(shape) / np.sqrt(np.prod(shape[:-1])))


def versions() -> dict[str, str]:
    """What was measured."""
    return {"tensorflow": importlib.metadata.version("tensorflow")}


CONTESTANTS = {"glow": ConvolutionChains}
