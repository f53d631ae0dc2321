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

from tfflows.backend import initializer_seeds, random


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


def philox(counter, key):
    """Philox4x32-10 of Salmon et al., 2011, in Python's integers."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        low, high = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(high >> 32) ^ c[1] ^ k0, high, (low >> 32) ^ c[3] ^ k1, low]
        c = [word % 2**32 for word in c]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c


def test_the_words_of_a_seed_are_philoxs():
    known = (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)  # Random123's file
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)
    assert tuple(philox(pi[:4], pi[4:])) == known
    key = tf.constant([-5, 2**30])
    words = random.RowsOfSeed(key, tf.constant(2), start=3).bits(6).numpy()
    wanted = [
        philox((block, 0, 6, 0), (2**32 - 5, 2**30))
        + philox((block + 1, 0, 6, 0), (2**32 - 5, 2**30))[:2]
        for block in (6, 8)
    ]
    np.testing.assert_array_equal(words, wanted)


def rows_of_seed(number, start=0, seed=3):
    return random.RowsOfSeed(random.as_seed(seed), tf.constant(number), start)


DRAWS = {
    "uniform": random.uniform_rows,
    "normal": random.normal_rows,
    "logistic": random.logistic_rows,
    "bernoulli": lambda seeds, count: random.bernoulli_rows(
        seeds, tf.fill([seeds.shape[0], count], 0.3)
    ),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_row_of_a_seed_depends_on_its_number_alone(draw, count):
    whole = draw(rows_of_seed(9), count)
    # The words are equal; a logarithm's last bit depends on where a number stands.
    part = draw(rows_of_seed(4, start=3), count)
    np.testing.assert_allclose(part, whole[3:7], rtol=1e-6, atol=1e-7)
    for compiled in (False, True):
        function = tf.function(
            lambda: draw(rows_of_seed(9), count), jit_compile=compiled
        )
        np.testing.assert_allclose(function(), whole, rtol=1e-5, atol=1e-6)
    assert np.any(draw(rows_of_seed(9, seed=4), count) != whole)


def test_rows_of_a_seed_have_their_laws_and_no_correlation():
    x = random.normal_rows(rows_of_seed(4000), 9).numpy()
    assert scipy.stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(x.T) - np.eye(9)).max() < 4.5 / np.sqrt(4000)
    neighbours = np.corrcoef(x[1:].ravel(), x[:-1].ravel())[0, 1]
    assert abs(neighbours) < 4.5 / np.sqrt(x.size)
    words = [rows_of_seed(4000).bits(count) for count in (9, 13)]
    assert len(np.intersect1d(*words)) < 5  # the two share no block


def test_streams_of_rows_of_a_seed_differ():
    folded = [random.fold_in(rows_of_seed(5), tf.constant([k])) for k in (0, 1)]
    assert all(isinstance(rows, random.RowsOfSeed) for rows in folded)
    a, b = (random.uniform_rows(rows, 4).numpy() for rows in folded)
    assert not np.intersect1d(a, b).size


def test_rows_of_a_seed_are_seed_rows_to_whom_knows_nothing_else():
    rows = rows_of_seed(5, start=2)
    wanted = random.fold_in(random.as_seed(3), tf.range(2, 7))
    np.testing.assert_array_equal(tf.convert_to_tensor(rows), wanted)
    np.testing.assert_array_equal(tf.unstack(rows[:, 0]), wanted[:, 0])
    assert rows.shape == (5, 2)
    assert random.number_of_rows(rows) == random.number_of_rows(wanted) == 5


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
        with initializer_seeds.seeded_initializers(seed):
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
