"""CelebA's faces at a smaller size, with any of their attributes as the label."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any

import tensorflow as tf

from tfflows.data.source import DataSource
from tfflows.data.sources.tfds_layout import Layout
from tfflows.data.sources.tfds_module import tfds
from tfflows.data.sources.tfds_source import load_tfds

_CROP = 148  # the middle of the aligned 218 x 178 pictures: the face


@dataclasses.dataclass(frozen=True)
class _FaceLayout(Layout):
    """The middle of the picture, resized."""

    def select(self, example: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.image.resize_with_crop_or_pad(example["image"], _CROP, _CROP)
        image = tf.image.resize(image, self.event_shape[:2], "area")
        _, label = super().select(example)
        return tf.cast(tf.round(image), tf.uint8), label


def load_faces(
    attribute: str = "",
    *,
    side: int = 64,
    data_dir: str | None = None,
    label_as_context: bool = False,
) -> DataSource:
    """Loads TFDS's celeb_a, cut to the middle 148 x 148 pixels and resized.

    Source: Liu et al., "Deep Learning Face Attributes in the Wild", 2015, arXiv
    1411.7766; the cut: Dinh et al., "Real NVP", 2016, arXiv 1605.08803, section 4.1.

    Args:
        attribute: one of `face_attributes()`, such as "Smiling": the label is then 1
            where it holds, else 0. "": no labels.
        side: height and width of the images.
        data_dir: TFDS's folder; None: `TFDS_DATA_DIR`, else TFDS's default.
        label_as_context: whether batches carry the label as "context".

    Raises:
        ValueError: an unknown attribute.
        FileNotFoundError: the data are not prepared and cannot be downloaded.
    """
    if attribute:
        _check_attribute(attribute)
    layout = _FaceLayout(
        paths=(("image",),),
        event_shape=(side, side, 3),
        dtype="uint8",
        label=("attributes", attribute) if attribute else None,
        num_classes=2 if attribute else None,
    )
    return load_tfds(
        "celeb_a", data_dir=data_dir, label_as_context=label_as_context, layout=layout
    )


def face_attributes() -> list[str]:
    """Returns the names of CelebA's 40 attributes."""
    return sorted(tfds.builder("celeb_a").info.features["attributes"])


def _check_attribute(attribute: str) -> None:
    known = face_attributes()
    if attribute not in known:
        near = difflib.get_close_matches(attribute, known, 3, 0.4) or known
        raise ValueError(
            f"expected an attribute of CelebA, got {attribute!r}; near ones: "
            f"{', '.join(near)}"
        )
