"""Counter-based random numbers: row i of a batch depends only on seed row i.

TensorFlow's stateless ops take one seed for a whole tensor, so a row's numbers depend
on its position in the batch. Training noise must not depend on how replicas share a
batch, nor a served sample on the other rows, so both need a seed per row. Threefry in
plain integer ops provides that, vectorised, on every device and in every export. Where
one seed serves a whole tensor, `RowsOfSeed` takes TensorFlow's own Philox, which costs
half of it without XLA (`benchmarks/random_numbers.py`).

Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011, Threefry2x32
with 20 rounds; the constants are those of the authors' Random123 library.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(
    key: tuple[tf.Tensor, tf.Tensor], counter: tuple[tf.Tensor, tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes Threefry2x32-20 of uint32 words that broadcast against each other.

    Args:
      key: Two uint32 tensors.
      counter: Two uint32 tensors.

    Returns:
      Two uint32 tensors of the broadcast shape.
    """
    words = (*key, *counter)
    shape = functools.reduce(tf.broadcast_static_shape, [word.shape for word in words])
    first, second = _threefry(*words)
    first.set_shape(shape)
    second.set_shape(shape)
    return first, second


# As a function, a graph holds its hundred operations once and calls them, which is
# faster to trace. TensorFlow inlines the calls when it runs.
@tf.function(input_signature=[tf.TensorSpec(None, tf.uint32)] * 4, autograph=False)
def _threefry(
    key0: tf.Tensor, key1: tf.Tensor, counter0: tf.Tensor, counter1: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    keys = (key0, key1, key0 ^ key1 ^ tf.constant(_PARITY, tf.uint32))
    x0, x1 = counter0 + keys[0], counter1 + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = _rotate_left(x1, rotation) ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + tf.constant(group + 1, tf.uint32)
    return x0, x1


def _rotate_left(x: tf.Tensor, bits: int) -> tf.Tensor:
    # A product and a sum are faster than a shift and an "or".
    left = x * tf.constant(1 << bits, tf.uint32)
    return left + tf.bitwise.right_shift(x, tf.constant(32 - bits, tf.uint32))


def as_seed(seed: Any) -> tf.Tensor:
    """Returns a seed as int32 `[2]`.

    Args:
      seed: An int, an int tensor of shape [2], or None for a new seed from TensorFlow's
        global generator, which `tf.random.set_seed` fixes.

    Raises:
      ValueError: For anything else.
    """
    if seed is None:
        return _fresh_seed()
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        low, high = int(seed) & 0xFFFFFFFF, (int(seed) >> 32) & 0xFFFFFFFF
        return tf.constant(np.array([high, low], "uint32").view("int32"))
    if isinstance(seed, list | tuple | np.ndarray | tf.Tensor):
        seed = tf.convert_to_tensor(seed)
        if seed.dtype.is_integer and seed.shape == (2,):
            return tf.cast(seed, tf.int32)
        seed = f"dtype {seed.dtype.name}, shape {tuple(seed.shape)}"
    raise ValueError(f"expected a seed None, an int or int32 [2], got {seed!r}")


def _fresh_seed() -> tf.Tensor:
    if tf.executing_eagerly():  # without the five operations below
        words = tf.compat.v1.get_seed(None)
        if None in words:
            return tf.constant(np.frombuffer(os.urandom(8), "int32"))
        # TensorFlow's are the global seed, the same each time, and a new number: mixed,
        # since some callers take one word.
        entropy = [word & 0xFFFFFFFF for word in words]
        mixed = np.random.SeedSequence(entropy).generate_state(2)
        return tf.constant(mixed.view("int32"))
    info = np.iinfo("int32")
    return tf.random.uniform([2], info.min, info.max, dtype=tf.int32)


@dataclasses.dataclass(frozen=True)
class RowsOfSeed:
    """Stands for the seeds of rows start, start + 1, ... of one seed.

    The functions below draw by it faster than by seed rows. Row i depends on the seed
    and on i alone: not on N, nor on the row at which a part starts. For all else it is
    a tensor of seed rows `[N, 2]`.

    Args:
      seed: int32 `[2]`.
      number: int32 scalar, N.
      start: Integer scalar, the number of the first row.
    """

    seed: tf.Tensor
    number: tf.Tensor
    start: Any = 0

    def as_seeds(self) -> tf.Tensor:
        """Returns seed rows int32 `[N, 2]`."""
        return fold_in(self.seed, self.start + tf.range(self.number))

    @property
    def shape(self) -> tf.TensorShape:
        """Returns `[N, 2]`, N if it is known."""
        return tf.TensorShape([tf.get_static_value(self.number), 2])

    def __getitem__(self, key: Any) -> tf.Tensor:
        return self.as_seeds()[key]

    def bits(self, count: int) -> tf.Tensor:
        """Random words uint32 `[N, count]`, by Philox4x32-10.

        Each row has blocks of its own, so that it can be the first, and each count has
        a counter of its own, so that two counts share no block.
        """
        blocks = -(-count // 4)
        start = tf.cast(self.start, tf.uint64) * blocks
        # `tf.random.stateless_uniform` has no place for a counter to start at.
        words = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=tf.stack([self.number, tf.constant(4 * blocks)]),
            key=tf.reshape(tf.bitcast(self.seed, tf.uint64), [1]),
            counter=tf.stack([start, tf.constant(count, tf.uint64)]),
            alg=tf.random.Algorithm.PHILOX.value,
            dtype=tf.uint32,
        )
        return tf.ensure_shape(words, [None, 4 * blocks])[:, :count]


tf.register_tensor_conversion_function(
    RowsOfSeed, lambda rows, *_, **__: rows.as_seeds()
)
Seeds: TypeAlias = tf.Tensor | RowsOfSeed


def number_of_rows(seeds: Seeds) -> tf.Tensor:
    """N of seed rows `[N, 2]`."""
    if isinstance(seeds, RowsOfSeed):
        return seeds.number
    return tf.shape(seeds)[0]


def fold_in(seed: Seeds, data: tf.Tensor) -> Any:
    """Returns a seed row for each integer. Rows differ if seed or data differ.

    Args:
      seed: int32 `[2]`, or a seed for each integer, `[N, 2]` or `RowsOfSeed`.
      data: Integers `[N]`, or `[1]` for all seeds, as `RowsOfSeed` needs it.

    Returns:
      int32 `[N, 2]`, or `RowsOfSeed` of such.
    """
    if isinstance(seed, RowsOfSeed):
        return dataclasses.replace(seed, seed=fold_in(seed.seed, data)[0])
    data = tf.cast(data, tf.int64)
    high = tf.bitwise.right_shift(data, tf.constant(32, tf.int64))
    counter = (_word(data), _word(high))
    words = threefry((_word(seed[..., 0]), _word(seed[..., 1])), counter)
    return tf.bitcast(tf.stack(words, axis=-1), tf.int32)


def noise_seeds(seed: Any, stream: int, step: Any, index: tf.Tensor) -> tf.Tensor:
    """Returns the seeds of a model's noise, one for each example at each step.

    Args:
      seed: The model's seed, as in `as_seed`.
      stream: Number of the kind of noise; two kinds must not share seeds.
      step: Integer scalar: the optimizer's step, or the number of a draw.
      index: Integers `[B]`, the positions of the examples in their data set.

    Returns:
      int32 `[B, 2]`.
    """
    stream_seed = fold_in(as_seed(seed), tf.constant([stream]))
    step = tf.reshape(tf.cast(step, tf.int64), [1])
    return fold_in(fold_in(stream_seed[0], step)[0], index)


def _word(value: tf.Tensor) -> tf.Tensor:
    if value.dtype == tf.int32:
        return tf.bitcast(value, tf.uint32)
    return tf.cast(tf.bitwise.bitwise_and(value, 0xFFFFFFFF), tf.uint32)


def uniform_rows(seeds: Seeds, count: int, dtype: Any = tf.float32) -> tf.Tensor:
    """Draws uniform numbers in the open interval (0, 1), `[N, count]`.

    Args:
      seeds: int32 `[N, 2]`, one row a row, or `RowsOfSeed`.
      count: Numbers per row.
      dtype: float32 or float64; a grid of step 2^-23 or 2^-32, offset by half a step,
        so that neither end is ever drawn.
    """
    bits = _words(seeds, count)
    dtype = tf.as_dtype(dtype)
    if dtype == tf.float64:
        return (tf.cast(bits, dtype) + 0.5) * 2.0**-32
    bits = tf.bitcast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.int32)
    return (tf.cast(bits, dtype) + 0.5) * 2.0**-23


def _words(seeds: Seeds, count: int) -> tf.Tensor:
    """Returns the first words of each row, uint32 `[N, count]`."""
    half = (count + 1) // 2
    if isinstance(seeds, RowsOfSeed):  # in one tensor already
        return seeds.bits(2 * half)[:, :count]
    return tf.concat(_blocks(seeds, half), axis=-1)[:, :count]


def _blocks(seeds: Seeds, count: int) -> Sequence[tf.Tensor]:
    """Returns two words of the first blocks of each row, uint32 `[N, count]` each."""
    if isinstance(seeds, RowsOfSeed):
        return tf.split(seeds.bits(2 * count), 2, axis=-1)
    counter = (tf.constant(np.arange(count, dtype="uint32")), tf.zeros([], tf.uint32))
    return threefry((_word(seeds[:, :1]), _word(seeds[:, 1:])), counter)


def bernoulli_rows(seeds: Seeds, probability: tf.Tensor) -> tf.Tensor:
    """Draws booleans `[N, ...]` that are true with the given probabilities.

    They compare uniform numbers with the probabilities. The numbers have the
    distribution of `uniform_rows` and need half its random words: each has its own
    upper 16 bits, and a row shares the lower ones. Two draws of a row depend on each
    other only if the lower bits decide both; their covariance is at most 2^-34. They
    take 0.6 of the CPU time: `benchmarks/special_cases.py bernoulli`.

    Args:
      seeds: int32 `[N, 2]`, one row a row, or `RowsOfSeed`.
      probability: `[N, ...]`, float32 or float64.

    Raises:
      tf.errors.InvalidArgumentError: If the number of seeds differs.
    """
    dtype, count = probability.dtype, math.prod(probability.shape[1:])
    words = _blocks(seeds, count // 4 + 1)
    mask, half = tf.constant(0xFFFF, tf.uint32), tf.constant(16, tf.uint32)
    halves = [tf.bitwise.bitwise_and(word, mask) for word in words]
    halves += [tf.bitwise.right_shift(word, half) for word in words]
    numbers = tf.cast(tf.bitcast(tf.concat(halves, axis=-1), tf.int32), dtype)
    upper, lower = numbers[:, :count], numbers[:, -1:]
    if dtype == tf.float64:
        lower = (lower + 0.5) * 2.0**-16
    else:  # 7 bits of it: with 16 above and the half, 24, which float32 has
        lower = (tf.floor(lower * 2.0**-9) + 0.5) * 2.0**-7
    scaled = tf.reshape(upper + lower, tf.shape(probability))
    return scaled < probability * 2.0**16


def normal_rows(seeds: Seeds, count: int, dtype: Any = tf.float32) -> tf.Tensor:
    """Draws standard normal numbers `[N, count]` with the quantile function.

    Args:
      seeds: int32 `[N, 2]`, one row a row, or `RowsOfSeed`.
      count: Numbers per row.
      dtype: float32 or float64.
    """
    return tf.math.ndtri(uniform_rows(seeds, count, dtype))


def logistic_rows(seeds: Seeds, count: int, dtype: Any = tf.float32) -> tf.Tensor:
    """Draws standard logistic numbers `[N, count]` as ln u/(1 - u).

    Args:
      seeds: int32 `[N, 2]`, one row a row, or `RowsOfSeed`.
      count: Numbers per row.
      dtype: float32 or float64.
    """
    uniform = uniform_rows(seeds, count, dtype)
    return tf.math.log(uniform) - tf.math.log1p(-uniform)
