"""CelebA at 64 x 64, on random pictures in its layout."""

from __future__ import annotations

import types

import numpy as np
import pytest
import tensorflow as tf

import tfflows.data
from tests.testing_utils import randomize
from tfflows import latent, models
from tfflows.data import tfds_source
from tfflows.data.faces import _FaceLayout, face_attributes


class CelebA:
    """A prepared builder; TFDS's own mock knows no splits of celeb_a."""

    info = types.SimpleNamespace(
        splits=dict.fromkeys(
            ("train", "validation", "test"), types.SimpleNamespace(num_examples=12)
        )
    )

    def is_prepared(self):
        return True

    def as_dataset(self, **kwargs):
        images = np.random.default_rng(0).integers(0, 256, (12, 218, 178, 3))
        smiles = {"Smiling": np.arange(12) % 3 == 0}
        return tf.data.Dataset.from_tensor_slices(
            {"image": images.astype("uint8"), "attributes": smiles}
        )


@pytest.fixture
def _celeb_a(monkeypatch):
    monkeypatch.setattr(tfds_source, "_builder", lambda name, data_dir: CelebA())


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


@pytest.mark.usefixtures("_celeb_a")
def test_a_direction_of_an_attribute_by_name():
    source = tfflows.data.load("celeba64:Smiling")
    x, smiles = source.arrays("train"), source.labels("train")
    assert x.shape == (12, 64, 64, 3)
    assert x.dtype == np.uint8
    assert source.event_shape == (64, 64, 3)
    np.testing.assert_array_equal(smiles, np.arange(12) % 3 == 0)
    flow = models.glow((64, 64, 3), num_steps=1, num_levels=1, width=4, levels=256)
    flow.initialize(x)
    randomize(flow, size=0.05)
    direction = latent.attribute_direction(flow, x, smiles)
    strip = latent.manipulate(flow, x[:2], direction, [0.0, 1.0])
    np.testing.assert_allclose(strip[:, 0], x[:2], atol=0.05)
    assert np.abs(strip[:, 1] - strip[:, 0]).max() > 1.0


@pytest.mark.usefixtures("_celeb_a")
def test_without_an_attribute_there_are_no_labels():
    source = tfflows.data.load("celeba64")
    assert source.labels("test") is None
    assert source.arrays("test").shape == (12, 64, 64, 3)
