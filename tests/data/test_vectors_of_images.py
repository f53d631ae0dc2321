"""Images as vectors: patches by the recipe of BSDS300, and logits."""

from __future__ import annotations

import numpy as np
import pytest

from tfflows import data
from tfflows.data.sources.logits import ALPHA
from tfflows.data.sources.patches import cut_patches


def test_patches_lose_their_mean_and_their_last_pixel():
    ramp = np.arange(12) + 10 * np.arange(12)[:, np.newaxis]  # row and column
    images = np.repeat(ramp[np.newaxis, :, :, np.newaxis], 3, -1).astype("uint8")
    patches = cut_patches(np.repeat(images, 50, axis=0), [0, 0])
    assert patches.shape == (200, 63)
    assert patches.dtype == np.float32
    # Wherever it is cut, a ramp without its mean is the same, but for the noise.
    ramp = (ramp[:8, :8] - ramp[:8, :8].mean()).ravel()[:63]
    noise = 256.0 * patches - ramp
    assert np.abs(noise).max() < 1.0
    assert noise.std() == pytest.approx(12**-0.5, rel=0.05)
    assert np.abs(noise.mean(axis=0)).max() < 0.1
    np.testing.assert_array_equal(
        cut_patches(images, [1, 0]), cut_patches(images, [1, 0])
    )
    assert np.any(cut_patches(images, [1, 0]) != cut_patches(images, [0, 0]))


def test_patches_come_from_all_places():
    image = np.zeros((1, 9, 9, 3), "uint8")
    image[0, 4, 4] = 255
    patches = cut_patches(np.repeat(image, 60, axis=0), [0, 0])
    assert set(np.argmax(patches, axis=1)) == {27, 28, 35, 36}


@pytest.mark.large
def test_the_registered_patches(tfds_dir):
    source = data.load("cifar10_patches", data_dir=tfds_dir)
    assert source.num_examples == {
        "train": 180_000,
        "validation": 20_000,
        "test": 40_000,
    }
    x = source.arrays("test")
    assert x.shape == (40_000, 63)
    assert 0.05 < x.std() < 0.3


def test_logits_are_those_of_the_dequantized_pixels():
    source = data.load("logit:digits")
    assert (source.name, source.event_shape, source.levels) == (
        "logit:digits",
        (64,),
        None,
    )
    y = source.arrays("test")
    p = 1.0 / (1.0 + np.exp(-y.astype("float64")))
    x = 17.0 * (p - ALPHA) / (1.0 - 2.0 * ALPHA)
    grey = data.load("digits").arrays("test").reshape(-1, 64)
    noise = x - grey
    assert noise.min() > -1e-4
    assert noise.max() < 1.0 + 1e-4
    assert noise.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(source.arrays("test"), y)


def test_logits_are_fresh_in_each_epoch_of_training_only():
    def epochs(split):
        source = data.load("logit:digits", label_as_context=True)
        batches = source.dataset(split, 5000).repeat(2).as_numpy_iterator()
        return [batch["x"] for batch in batches]

    first, second = epochs("validation")
    np.testing.assert_array_equal(first, second)
    first, second = epochs("train")
    assert np.all(np.any(first != second, axis=1))


def test_continuous_data_have_no_logits():
    with pytest.raises(ValueError, match="expected integer data for logits"):
        data.load("logit:two_moons")
