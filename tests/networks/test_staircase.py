"""Products by staircases: the masked product, and its gradients, in blocks."""

import numpy as np
import pytest
import tensorflow as tf

from tfflows.networks.staircase import StaircaseProduct


def _staircase(rows: int, columns: int, seed: int) -> np.ndarray:
    heights = np.sort(np.random.default_rng(seed).integers(0, rows + 1, columns))
    return (np.arange(rows)[:, np.newaxis] < heights).astype("float32")


@pytest.mark.parametrize(
    ("mask", "blocks"),
    [
        (_staircase(256, 256, 0), 2),
        (_staircase(512, 640, 1), 4),
        (_staircase(40, 300, 2), 1),
        (np.ones((256, 384), "float32"), 2),
        (np.zeros((256, 384), "float32"), 2),
        (np.tile(_staircase(300, 150, 3), (1, 2)), 1),  # no staircase
    ],
)
def test_blocks_give_the_masked_product_and_its_gradients(mask, blocks):
    rng = np.random.default_rng(4)
    x = tf.constant(rng.standard_normal((5, mask.shape[0])))
    kernel = tf.constant(rng.standard_normal(mask.shape))
    upstream = tf.constant(rng.standard_normal((5, mask.shape[1])))
    product = StaircaseProduct(mask)
    assert len(product._columns) == blocks

    def run(function):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = function(x, kernel)
        return [y, *tape.gradient(y, [x, kernel], upstream)]

    whole = run(lambda x, kernel: x @ (kernel * mask))
    for got, expected in zip(run(product), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_blocks_can_be_differentiated_twice():
    mask = _staircase(256, 256, 5)
    rng = np.random.default_rng(6)
    x = tf.constant(rng.standard_normal((3, 256)))
    kernel = tf.constant(rng.standard_normal(mask.shape))

    def slope_of_slope(product):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(tf.tanh(product(x, kernel)))
            norm = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(norm, kernel)

    got = slope_of_slope(StaircaseProduct(mask))
    expected = slope_of_slope(lambda x, kernel: x @ (kernel * mask))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
