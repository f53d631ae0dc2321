"""The user's own images: `images:` folders and globs."""

import glob
import pathlib

import numpy as np
import tensorflow as tf

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.split import split_source

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def load_images(path: str, *, seed: int = 0) -> ArraySource:
    """Loads png, jpg and bmp files of one size: uint8 [height, width, channels].

    Channels are as in the files: 1 for grey, 3 for colour, 4 with transparency.

    Args:
        path: a folder (searched with its subfolders, hidden files left out) or a
            glob such as "faces/*.png" (every match has to be an image).
        seed: fixes the splits: 80, 10 and 10 per cent of the images, permuted from
            the sorted order of their paths.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
        ValueError: a file that cannot be decoded or differs in shape (the message
            names it).
    """
    files = _find(path)
    first = _decode(files[0])
    x = np.empty((len(files), *first.shape), np.uint8)
    for i, file in enumerate(files):
        image = _decode(file)
        if image.shape != first.shape:
            raise ValueError(
                f"{file}: expected an image of shape {first.shape} (height, width, "
                f"channels) as {files[0]} has, got {image.shape}"
            )
        x[i] = image
    return split_source(f"images:{path}", Examples(x), seed=seed, levels=256)


def _find(path: str) -> list[pathlib.Path]:
    if not path:
        raise ValueError("expected images:FOLDER or images:GLOB, got no path")
    folder = pathlib.Path(path)
    if folder.is_dir():
        files = [file for file in folder.rglob("*") if _is_image(file)]
    else:
        files = [pathlib.Path(match) for match in glob.glob(path, recursive=True)]
        files = [file for file in files if file.is_file()]
    if not files:
        raise FileNotFoundError(
            f"{path}: expected a folder or glob with {', '.join(_SUFFIXES)} files, "
            "found none"
        )
    return sorted(files)


def _is_image(file: pathlib.Path) -> bool:
    is_hidden = file.name.startswith(".")
    return file.is_file() and file.suffix.lower() in _SUFFIXES and not is_hidden


def _decode(file: pathlib.Path) -> np.ndarray:
    contents = tf.io.read_file(str(file))
    try:
        return tf.io.decode_image(contents, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"{file}: expected a png, jpg or bmp image, got a file that cannot be "
            "decoded"
        ) from error
