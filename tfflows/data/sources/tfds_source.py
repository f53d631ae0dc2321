"""Image and tabular data sets of TensorFlow Datasets, by the name of the builder."""

import os
import re
from typing import Any

import tensorflow as tf
from absl import logging

from tfflows.data.pipelines import ArraySource, StreamedSource, collect
from tfflows.data.source import DataInfo, DataSource, Examples
from tfflows.data.sources.tfds_layout import Layout, find_layout
from tfflows.data.sources.tfds_module import tfds

# Sets up to this size are read into memory once, split by split.
_MEMORY_BYTES = 2**30

# NAME[/CONFIG][:VERSION]; the "namespace:name" of community sets is not among them.
_NAME = re.compile(r"\w+(/[^/:]+)?(:[\d.]+)?")


class UnknownBuilderError(ValueError):
    """TFDS has no builder of this name."""


def load_tfds(
    name: str,
    *,
    data_dir: str | None = None,
    label_as_context: bool = False,
    layout: Layout | None = None,
) -> DataSource:
    """Loads a TFDS data set, downloading and preparing it if need be.

    Images: the feature of type Image (the one named "image" if there are several),
    uint8, all of one size. Tables: the numeric features of known shape, bool and
    int included, flattened to one float32 vector in the alphabetical order of their
    names; class labels, text and the supervised target are left out.

    Splits: the set's own "train", "validation" and "test". Where "validation" or
    "test" is missing, it is the last 10 per cent of "train"; where both are, the
    last 20 per cent, validation first. Any other split is left out.

    Args:
        name: builder, with configuration and version if wanted: "mnist",
            "downsampled_imagenet/32x32", "mnist:3.0.1".
        data_dir: TFDS's folder; None: `TFDS_DATA_DIR`, else TFDS's default.
        label_as_context: whether batches carry the label as "context".
        layout: what makes up an example; None: as above.

    Raises:
        UnknownBuilderError: TFDS has no such builder; community sets do not count.
        FileNotFoundError: the data are not prepared and cannot be downloaded.
        ValueError: neither images of one size nor numbers, no "train" split, or an
            unknown configuration or version.
    """
    builder = _builder(name, data_dir)
    # Before a download, in case it is refused.
    layout = layout or find_layout(name, builder.info)
    if not builder.is_prepared():
        _prepare(name, builder)
    slices = _slices(name, builder.info.splits)
    num_examples = {k: builder.info.splits[v].num_examples for k, v in slices.items()}
    info = DataInfo(
        name=name,
        event_shape=layout.event_shape,
        dtype=layout.dtype,
        levels=256 if layout.dtype == "uint8" else None,
        num_examples=num_examples,
        num_classes=layout.num_classes,
        label_names=layout.label_names(builder.info.features),
    )

    def stream(split: str) -> tf.data.Dataset:
        dataset = builder.as_dataset(split=slices[split], shuffle_files=False)
        return dataset.map(layout.select, num_parallel_calls=tf.data.AUTOTUNE)

    def read(split: str) -> Examples:
        return collect(stream(split), num_examples[split], info)

    if sum(num_examples.values()) * info.example_bytes <= _MEMORY_BYTES:
        return ArraySource(info, read, label_as_context=label_as_context)
    return StreamedSource(info, stream, label_as_context=label_as_context)


def list_tfds() -> list[str]:
    """Returns the names of TFDS's own builders, of whatever kind of data."""
    return tfds.list_builders(with_community_datasets=False)


def _builder(name: str, data_dir: str | None) -> Any:
    # TFDS reads the variable once, when it is imported; users set it at any time.
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    if not _NAME.fullmatch(name):
        raise UnknownBuilderError(f"expected NAME[/CONFIG][:VERSION], got {name!r}")
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise UnknownBuilderError(f"TFDS has no data set {name!r}") from error
    except AssertionError as error:  # how TFDS refuses a version
        raise ValueError(str(error)) from error


def _prepare(name: str, builder: Any) -> None:
    folder = builder.data_dir
    logging.warning(
        "%s is not prepared in %s; TFDS downloads it now (without a network it "
        "tries for some minutes).",
        name,
        folder,
    )
    try:
        builder.download_and_prepare()
    except Exception as error:  # whatever the builder's own code and network raise
        raise FileNotFoundError(
            f"data set {name!r} is not prepared in {folder}, and preparing it failed "
            f"({type(error).__name__}: {error}). Prepare it where there is a network "
            f"with `tfds build {name}`, then pass its folder as data_dir or set "
            "TFDS_DATA_DIR"
        ) from error


def _slices(name: str, splits: Any) -> dict[str, str]:
    """Returns train, validation and test as TFDS slicing expressions."""
    if "train" not in splits:
        raise ValueError(
            f"data set {name!r}: expected a split 'train', got {sorted(splits)}"
        )
    missing = [split for split in ("validation", "test") if split not in splits]
    # Shares of "train" in per cent: the rest for training, then 10 for each missing.
    stop = 100 - 10 * len(missing)
    slices = {"train": f"train[:{stop}%]" if missing else "train"}
    for split in ("validation", "test"):
        slices[split] = split
        if split in missing:
            slices[split] = f"train[{stop}%:{stop + 10}%]"
            stop += 10
    return slices
