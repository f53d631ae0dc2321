"""Upper bounds of the norms of linear layers, which hold for any weights.

The power method on a vector approaches a spectral norm from below, so weights divided
by its result may still exceed the bound. Here all vectors are iterated at once: k
squarings of the Gram matrix G = W W^T are 2^k steps of the power method. With h =
1 / 2^(k + 1), `||W||_2 <= ||G^(2^k)||_F^h <= n^(h / 2) ||W||_2` for a matrix of rank n:
with k = 6 at most 1.9 % above for n = 128. It is a function of
the weights alone, so that nothing has to be stored, assigned or kept up to date, and
its derivative is that of the bound.

Source of the squarings: Delattre et al., "Efficient Bound of Lipschitz Constant for
Convolutional Layers by Gram Iteration", 2023, arXiv 2305.16173, theorems 1 and 2; of
the norms for p = 1 and infinity: Chen et al., "Residual Flows for Invertible Generative
Modeling", 2019, arXiv 1906.02735, section 3.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

NORMS = ("1", "2", "inf")
_SQUARINGS = 6
# After three squarings of a matrix of Frobenius norm 1 and rank n, the sum of squares
# is at least n^-7, which float32 holds.
_RESCALED = 3
_TINY = 1e-30


def log_dense_bound(kernel: tf.Tensor, norm: str) -> tf.Tensor:
    """Returns the log of a bound of ||x K|| / ||x||, a scalar.

    Args:
      kernel: `[n, m]`.
      norm: "1", "2" or "inf", of both vectors; the bound is exact but for "2".
    """
    if norm == "2":
        return _log_spectral_bound(kernel)
    return _log(tf.reduce_max(tf.reduce_sum(tf.abs(kernel), axis=int(norm == "1"))))


def log_conv_bound(kernel: tf.Tensor, sides: tuple[int, int], norm: str) -> tf.Tensor:
    """Returns the log of a bound of the norm of a convolution, a scalar.

    For "2" it is the largest of the spectral norms of the kernel's Fourier transform on
    a periodic image so much larger that no window wraps around: the zero-padded
    convolution is a part of that one.

    Args:
      kernel: `[h, w, C, F]` with odd h and w, of a convolution with stride 1 and
        padding "SAME".
      sides: Height and width of the images.
      norm: As in `log_dense_bound`.
    """
    height, width, inputs, outputs = kernel.shape
    if norm != "2":
        axes = [0, 1, 3 if norm == "1" else 2]
        return _log(tf.reduce_max(tf.reduce_sum(tf.abs(kernel), axis=axes)))
    flat = tf.reshape(kernel, [height * width, inputs * outputs])
    if height * width == 1:
        return _log_spectral_bound(tf.reshape(flat, [inputs, outputs]))
    angles = _angles((height, width), sides)
    parts = [
        tf.matmul(tf.constant(wave(angles), kernel.dtype), flat)
        for wave in (np.cos, np.sin)
    ]
    waves = tf.reshape(tf.complex(*parts), [len(angles), inputs, outputs])
    return tf.reduce_max(_log_spectral_bound(waves))


def _angles(window: tuple[int, int], sides: tuple[int, int]) -> np.ndarray:
    """Products of frequencies and places in the window, `[frequencies, h * w]`."""
    rows, columns = [side + size // 2 for side, size in zip(sides, window, strict=True)]
    # The kernel is real, so the other half of the frequencies has the same norms.
    down, across = np.meshgrid(
        np.arange(rows) / rows,
        np.arange(columns // 2 + 1) / columns,
        indexing="ij",
    )
    i, j = np.indices(window)
    return 2.0 * np.pi * (np.outer(down, i) + np.outer(across, j))


def _log_spectral_bound(matrices: tf.Tensor) -> tf.Tensor:
    """Returns logs of bounds `[...]` of the spectral norms of `[..., n, m]`."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    gram = tf.matmul(matrices, matrices, adjoint_a=not wide, adjoint_b=wide)
    log_bound, share = tf.zeros([], matrices.dtype.real_dtype), 0.5
    for k in range(_SQUARINGS):
        if k % _RESCALED == 0:
            # Without a gradient: the log of what is divided by is added again.
            size = tf.sqrt(tf.maximum(tf.stop_gradient(_squares(gram)), _TINY))
            log_bound += share * tf.math.log(size)
            divisor = tf.cast(size[..., tf.newaxis, tf.newaxis], gram.dtype)
            gram /= tf.stop_gradient(divisor)
        gram = tf.matmul(gram, gram)
        share *= 0.5
    return log_bound + 0.5 * share * _log(_squares(gram))


def _squares(matrices: tf.Tensor) -> tf.Tensor:
    squares = tf.math.real(matrices * tf.math.conj(matrices))
    return tf.reduce_sum(squares, axis=[-2, -1])


def _log(value: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.maximum(value, _TINY))  # no infinite derivative at 0
