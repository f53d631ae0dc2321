"""Convolutions with gradients as matrix products if those are faster."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfflows.backend.in_xla import in_xla


def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Computes `tf.nn.conv2d` with stride 1 and padding "SAME".

    On CPUs, two kinds of gradients are computed as matrix products:

    - both gradients of a convolution from many channels to few, such as the last one in
      a coupling of large images, because TensorFlow copies windows of all input
      channels;
    - under XLA, all gradients with respect to the filter, because XLA's own take
      seconds inside a loop, such as the steps of one execution.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[h, w, C, F]` with odd h and w.

    Returns:
      `[B, H, W, F]`.

    Raises:
      ValueError: If the window's size is even.
    """
    height, width = kernel.shape[:2]
    if height % 2 == 0 or width % 2 == 0:
        raise ValueError(f"expected a window of odd sizes, got {height} x {width}")
    if _on_cpus() and (_is_to_few(kernel) or in_xla()):
        return _with_products(x, kernel)
    return _convolve(x, kernel)


def _convolve(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, strides=1, padding="SAME")


def _on_cpus() -> bool:
    devices = tf.config.list_logical_devices()
    return all(device.device_type == "CPU" for device in devices)


def _is_to_few(kernel: tf.Tensor) -> bool:
    # Windows of the outputs are smaller than the inputs. At twice their size (from 128
    # channels to 24) products took as long as TensorFlow's gradients when tried.
    height, width, channels, filters = kernel.shape
    return height * width * filters < channels


@tf.custom_gradient
def _with_products(
    x: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    gradients = _of_few_outputs if _is_to_few(kernel) else _of_many_outputs
    return _convolve(x, kernel), lambda dy: gradients(x, kernel, dy)


def _of_few_outputs(
    x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes both gradients from the windows of dy, which are smaller than x."""
    mirrored = _mirrored(kernel)
    height, width, channels, filters = kernel.shape
    windows = tf.concat(_shifted(dy, kernel), axis=-1)
    windows = tf.reshape(windows, [-1, height * width * filters])
    dx = tf.matmul(windows, tf.reshape(mirrored, [-1, channels]))
    of_kernel = tf.matmul(windows, tf.reshape(x, [-1, channels]), transpose_a=True)
    of_kernel = _mirrored(tf.reshape(of_kernel, mirrored.shape))
    return tf.reshape(dx, tf.shape(x)), of_kernel


def _of_many_outputs(
    x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes a convolution, and one product for each position in the window."""
    channels, filters = kernel.shape[2:]
    flat = tf.reshape(dy, [-1, filters])
    products = [
        tf.matmul(tf.reshape(shifted, [-1, channels]), flat, transpose_a=True)
        for shifted in _shifted(x, kernel)
    ]
    dx = convolve(dy, _mirrored(kernel))
    return dx, tf.reshape(tf.stack(products), kernel.shape)


def _mirrored(kernel: tf.Tensor) -> tf.Tensor:
    """Returns the kernel of the transposed convolution, `[h, w, F, C]`."""
    return tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])


def _shifted(image: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
    """Returns the zero-padded image, shifted to each position of the window."""
    height, width = kernel.shape[:2]
    if height == width == 1:
        return [image]
    above, left = height // 2, width // 2
    padded = tf.pad(image, [[0, 0], [above, above], [left, left], [0, 0]])
    return [
        padded[:, i : i + 1 - height or None, j : j + 1 - width or None]
        for i in range(height)
        for j in range(width)
    ]
