"""Random numbers by rows: known answers, laws, and what a row depends on."""

from __future__ import annotations

import concurrent.futures
import random as python_random
import threading

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfflows.backend import random


def words(*values):
    return tuple(tf.constant([value], tf.uint32) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (
            (0x243F6A88, 0x85A308D3),
            (0x13198A2E, 0x03707344),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ],
)
def test_threefry_gives_the_known_answers_of_random123(counter, key, wanted):
    got = random.threefry(words(*key), words(*counter))
    assert [int(word[0]) for word in got] == list(wanted)


def test_fold_in_separates_seeds_and_numbers():
    numbers = tf.constant([0, 1, 2**32, 2**32 + 1, -1], tf.int64)
    rows = [random.fold_in(random.as_seed(seed), numbers) for seed in (0, 1, 2**32)]
    assert len(np.unique(np.concatenate(rows), axis=0)) == 15


def seeds_of(rows):
    return random.fold_in(random.as_seed(3), tf.range(rows))


def numbers_below(seeds, count, bits, dtype):
    """The whole numbers m of u = (m + 1/2) / 2^bits, by halving the probability."""
    low, high = (np.full((len(seeds), count), end, "int64") for end in (-1, 2**bits))
    while np.any(high - low > 1):
        middle = (low + high) // 2
        probability = tf.constant(middle * 2.0**-bits, dtype)
        drawn = random.bernoulli_rows(seeds, probability).numpy()
        low, high = np.where(drawn, low, middle), np.where(drawn, middle, high)
    return low


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 23), ("float64", 32)])
def test_bernoulli_draws_compare_with_uniform_numbers(dtype, bits):
    numbers = numbers_below(seeds_of(200), 27, bits, dtype)
    uniform = (numbers + 0.5) / 2**bits
    assert scipy.stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
    lower = numbers % 2 ** (bits - 16)
    assert np.all(lower == lower[:, :1])
    tests = [scipy.stats.kstest(uniform[:, 0], "uniform")]
    tests.append(scipy.stats.kstest(lower[:, 0] / 2 ** (bits - 16), "uniform"))
    assert min(test.pvalue for test in tests) > 1e-3
    upper = np.concatenate([numbers >> (bits - 16), lower[:, :1]], axis=1)
    correlation = np.corrcoef(upper.T) - np.eye(28)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(200)


def test_bernoulli_draws_are_as_likely_as_asked_for():
    probability = np.float32([0.0, 1e-3, 0.2, 0.5, 0.97, 1.0])
    rows = 50_000
    drawn = random.bernoulli_rows(seeds_of(rows), tf.tile(probability[None], [rows, 1]))
    error = np.sqrt(probability * (1 - probability) / rows)
    np.testing.assert_array_less(
        np.abs(np.mean(drawn, axis=0) - probability), 4.5 * error + 1e-12
    )


def test_bernoulli_draws_want_a_seed_for_each_row():
    with pytest.raises(tf.errors.InvalidArgumentError, match="reshape"):
        random.bernoulli_rows(seeds_of(1), tf.fill([6, 2, 2], 0.5))
    assert random.bernoulli_rows(seeds_of(0), tf.zeros([0, 2, 2])).shape == (0, 2, 2)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 784])
def test_a_row_of_bernoulli_draws_depends_on_its_seed_alone(count):
    seeds = seeds_of(6)
    probability = tf.fill([6, count], 0.5)
    drawn = random.bernoulli_rows(seeds, probability).numpy()
    assert drawn.shape == (6, count)
    alone = random.bernoulli_rows(seeds[4:5], probability[4:5])
    np.testing.assert_array_equal(alone, drawn[4:5])


def test_initial_weights_depend_on_the_seed_of_their_scope_alone():
    def weights(seed):
        with random.seeded_initializers(seed):
            meeting.wait(timeout=60)
            return [
                keras.layers.Dense(3).kernel_initializer((2, 3)).numpy()
                for _ in range(9)
            ]

    state = python_random.getstate()
    meeting = threading.Barrier(1)
    alone = [weights(seed) for seed in (0, 1)]
    meeting = threading.Barrier(2)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        together = list(threads.map(weights, (0, 1)))
    np.testing.assert_array_equal(together, alone)
    assert not np.array_equal(*alone)
    assert python_random.getstate() == state
    outside = keras.layers.Dense(3).kernel_initializer((2, 3))
    assert not np.array_equal(outside, alone[0][0])
