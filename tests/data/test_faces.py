"""CelebA at 64 x 64, on TFDS's mock pictures."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import tfflows.data
from tests.testing_utils import randomize
from tfflows import latent, models
from tfflows.data.sources.faces import _FaceLayout, face_attributes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """celeb_a as prepared, of 12 examples a split; its pictures are TFDS's mock data.

    Without these files about its splits the mock knows none.
    """
    folder = tmp_path_factory.mktemp("tfds")
    builder = tfds.builder("celeb_a", data_dir=folder)
    path = pathlib.Path(builder.data_dir)
    path.mkdir(parents=True)
    name = tfds.core.ShardedFileTemplate(path, dataset_name="celeb_a")
    splits = [
        tfds.core.SplitInfo(split, shard_lengths=[12], num_bytes=0)
        for split in ("train", "validation", "test")
    ]
    splits = [split.replace(filename_template=name) for split in splits]
    builder.info.set_splits(tfds.core.splits.SplitDict(splits))
    builder.info.write_to_directory(path)
    with tfds.testing.mock_data(num_examples=12, data_dir=folder):
        yield folder


def test_the_issues_attributes_are_known():
    names = {"Smiling", "Pale_Skin", "Blond_Hair", "Narrow_Eyes"}
    assert names <= set(face_attributes())
    assert len(face_attributes()) == 40
    with pytest.raises(ValueError, match="'Smilling'; near ones: Smiling"):
        tfflows.data.load("celeba64:Smilling")


def test_the_middle_of_the_picture_is_kept():
    layout = _FaceLayout((("image",),), (2, 2, 3), "uint8", None, None)
    picture = np.zeros((218, 178, 3), "uint8")
    picture[35:109, 15:89] = 200  # the upper left quarter of the middle
    image, _ = layout.select({"image": tf.constant(picture)})
    np.testing.assert_array_equal(image[..., 0], [[200, 0], [0, 0]])
    assert image.dtype == tf.uint8


def test_a_direction_of_an_attribute_by_name(folder):
    source = tfflows.data.load("celeba64:Smiling", data_dir=folder)
    x, smiles = source.arrays("train"), source.labels("train")
    assert x.shape == (12, 64, 64, 3)
    assert x.dtype == np.uint8
    assert source.event_shape == (64, 64, 3)
    raw = tfds.load("celeb_a", split="train", data_dir=folder)
    wanted = [bool(example["attributes"]["Smiling"]) for example in raw]
    np.testing.assert_array_equal(smiles, wanted)
    flow = models.glow((64, 64, 3), num_steps=1, num_levels=1, width=4, levels=256)
    flow.initialize(x)
    randomize(flow, size=0.05)
    direction = latent.attribute_direction(flow, x, smiles)
    strip = latent.manipulate(flow, x[:2], direction, [0.0, 1.0])
    np.testing.assert_allclose(strip[:, 0], x[:2], atol=0.05)
    assert np.abs(strip[:, 1] - strip[:, 0]).max() > 1.0


def test_without_an_attribute_there_are_no_labels(folder):
    source = tfflows.data.load("celeba64", data_dir=folder)
    assert source.labels("test") is None
    assert source.arrays("test").shape == (12, 64, 64, 3)
