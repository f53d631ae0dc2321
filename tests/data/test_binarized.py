"""Binarised images: fixed where they have to be, fresh in training."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfflows import data


@pytest.fixture(scope="module")
def grey():
    return data.load("digits").arrays("train")


def epoch(source, split="train", batch_size=200, repeats=1):
    batches = list(
        source.dataset(split, batch_size).repeat(repeats).as_numpy_iterator()
    )
    x = np.concatenate([batch["x"] for batch in batches])
    index = np.concatenate([batch["index"] for batch in batches])
    return x, index


@pytest.mark.parametrize("prefix", ["binarized", "static_binarized"])
def test_pixels_are_drawn_with_the_grey_levels_probability(prefix, grey):
    source = data.load(f"{prefix}:digits")
    assert (source.levels, source.dtype, source.event_shape) == (2, "uint8", (8, 8, 1))
    assert source.name == f"{prefix}:digits"
    x = source.arrays("train")
    assert set(np.unique(x)) == {0, 1}
    for level in (0, 4, 8, 12, 16):
        share = x[grey == level].mean()
        assert share == pytest.approx(level / 16, abs=0.04)
    drawn, _ = epoch(source)
    assert drawn.mean() == pytest.approx(grey.mean() / 16, abs=0.01)


def test_static_images_are_the_same_in_each_epoch_and_batch_size():
    source = data.load("static_binarized:digits")
    x, index = epoch(source, repeats=2)
    np.testing.assert_array_equal(x, source.arrays("train")[index])
    np.testing.assert_array_equal(epoch(source, batch_size=7)[0], x[: len(x) // 2])


def test_training_images_are_fresh_in_each_epoch_and_repeatable():
    source = data.load("binarized:digits")
    x, _ = epoch(source, repeats=2)
    first, second = np.split(x, 2)
    assert 0.02 < np.mean(first != second) < 0.5
    again, _ = epoch(data.load("binarized:digits"), repeats=2)
    np.testing.assert_array_equal(again, x)
    # Batches of one epoch have noise of their own.
    keys = source.dataset("train", 100, shuffle=True, seed=1)
    assert np.isfinite([batch["x"].mean() for batch in keys.as_numpy_iterator()]).all()


def test_the_draws_of_a_training_go_on_at_any_step():
    source = data.load("binarized:digits")
    steps = source.steps_per_epoch(500)
    batches = list(source.training_batches(500).take(steps + 1).as_numpy_iterator())
    rest = source.training_batches(500, first_step=steps).take(1)
    (later,) = rest.as_numpy_iterator()
    np.testing.assert_array_equal(later["x"], batches[-1]["x"])
    static = data.load("static_binarized:digits")
    (batch,) = static.training_batches(500).take(1).as_numpy_iterator()
    np.testing.assert_array_equal(batch["x"], static.arrays("train")[batch["index"]])


def test_held_out_images_are_drawn_once_and_differ_from_the_training_ones():
    source = data.load("binarized:digits", label_as_context=True)
    x, index = epoch(source, "test")
    np.testing.assert_array_equal(x, source.arrays("test")[index])
    assert len(source.labels("test")) == len(x)
    batch = next(iter(source.dataset("test", 5)))
    assert batch["context"].shape == (5,)
    assert batch["x"].dtype == tf.uint8


def test_continuous_data_are_refused():
    with pytest.raises(ValueError, match="expected integer data to binarize"):
        data.load("binarized:rings")
    with pytest.raises(ValueError, match="binarized:, static_binarized:"):
        data.load("binarised:digits")
