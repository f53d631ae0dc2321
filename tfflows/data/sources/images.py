"""The user's own images: `images:` folders and globs."""

import glob
import io
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfflows.data.labels import numbered
from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.sources.resizing import resized
from tfflows.data.split import split_source
from tfflows.system import files
from tfflows.system.extras import needed

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
# Images that a folder may not hold beside them: they would be left out in silence.
_OTHERS = (".gif", ".tif", ".tiff", ".webp", ".jxl", ".heic", ".avif", ".jp2", ".ppm")
_UNREADABLE = (
    "expected a png, jpg or bmp image, got a file that cannot be decoded; replace it, "
    "or take it out of the folder"
)


def load_images(
    path: str,
    *,
    seed: int = 0,
    label_as_context: bool = False,
    image_size: Sequence[int] | None = None,
) -> ArraySource:
    """Loads png, jpg and bmp files of one size: uint8 [height, width, channels].

    Channels are as in the files: 1 for grey, 3 for colour, 4 with transparency. If all
    images of a folder lie in subfolders, these (of the first level) are their labels.

    Args:
        path: a folder (searched with its subfolders, hidden files left out) or a
            glob such as "faces/*.png" (every match has to be an image).
        seed: fixes the splits: 80, 10 and 10 per cent of the images, permuted from
            the sorted order of their paths.
        label_as_context: whether batches carry the label as "context".
        image_size: height and width that all images are resized to, from their middle;
            None: they have to be of one size.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
        ImportError: pillow is missing.
        ValueError: a file that cannot be decoded, is not of 8 bits, an animation or of
            another kind, or differs in shape (the message names it).
    """
    found = _find(path)
    first = _decode(found[0], image_size)
    x = np.empty((len(found), *first.shape), np.uint8)
    for i, file in enumerate(found):
        image = _decode(file, image_size)
        if image.shape != first.shape:
            hint = "; --image_size resizes all" if image_size is None else ""
            raise ValueError(
                f"{file}: expected an image of shape {first.shape} (height, width, "
                f"channels) as {found[0]} has, got {image.shape}{hint}"
            )
        x[i] = image
    labels, names = _labels(path, found)
    return split_source(
        f"images:{path}",
        Examples(x, labels),
        seed=seed,
        levels=256,
        label_as_context=label_as_context,
        label_names=names,
    )


def _labels(
    path: str, found: list[pathlib.Path]
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """The subfolders that images are in; None unless all are in some."""
    folder = files.path(path)
    if not folder.is_dir():  # a glob: the folders that its matches lie in
        parents = [file.parent for file in found]
        return (None, None) if len(set(parents)) == 1 else _named(parents)
    below = [file.relative_to(folder).parts for file in found]
    if any(len(parts) == 1 for parts in below):
        return None, None
    return _named([pathlib.Path(parts[0]) for parts in below])


def _named(folders: list[pathlib.Path]) -> tuple[np.ndarray, tuple[str, ...]]:
    return numbered(np.array([folder.name for folder in folders]))


def _find(path: str) -> list[pathlib.Path]:
    if not path:
        raise ValueError("expected images:FOLDER or images:GLOB, got no path")
    folder = files.path(path)
    if folder.is_dir():
        found = [file for file in folder.rglob("*") if _is_image(file)]
        other = next((f for f in found if f.suffix.lower() in _OTHERS), None)
        if other:
            raise ValueError(
                f"{other}: expected png, jpg and bmp images, got another kind; convert "
                "it, or take it out of the folder"
            )
    else:
        matches = glob.glob(files.pattern_of(path), recursive=True)
        found = [file for file in map(pathlib.Path, matches) if file.is_file()]
    if not found:
        raise FileNotFoundError(
            f"{path}: expected a folder or glob with {', '.join(_SUFFIXES)} files, "
            "found none"
        )
    return sorted(found)


def _is_image(file: pathlib.Path) -> bool:
    is_hidden = file.name.startswith(".")
    is_image = file.suffix.lower() in (*_SUFFIXES, *_OTHERS)
    return is_image and file.is_file() and not is_hidden


def _decode(file: pathlib.Path, image_size: Sequence[int] | None) -> np.ndarray:
    contents = file.read_bytes()
    _check(file, contents)
    try:
        image = tf.io.decode_image(contents, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{file}: {_UNREADABLE}") from error
    return image if image_size is None else resized(image, image_size)


def _check(file: pathlib.Path, contents: bytes) -> None:
    """Raises ValueError for images that TensorFlow would read as something else."""
    with needed("plots", "pillow for images"):
        import PIL.Image
    try:
        with PIL.Image.open(io.BytesIO(contents)) as image:
            kind, mode = image.format, image.mode
            frames = getattr(image, "n_frames", 1)
    except Exception as error:  # broken bytes raise whatever they run into
        raise ValueError(f"{file}: {_UNREADABLE}") from error
    problems = {
        f"{kind}": kind not in ("PNG", "JPEG", "BMP"),
        f"an animation of {frames} images": frames > 1,
        "16 bits for each value": kind == "PNG" and contents[24] == 16,
        f"colours in mode {mode}": mode not in ("1", "L", "LA", "P", "RGB", "RGBA"),
        "a bmp with a palette": kind == "BMP" and mode in ("1", "P"),
    }
    found = next((problem for problem, there in problems.items() if there), None)
    if found:
        raise ValueError(
            f"{file}: expected a png, jpg or bmp image of 8 bits, got {found}; convert "
            "it to such a png, or store its numbers in an npz archive (npz:PATH)"
        )
