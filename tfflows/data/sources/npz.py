"""The user's own arrays: `npz:` paths."""

import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfflows.data.labels import numbered
from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.sources.resizing import resized
from tfflows.data.sources.table_numbers import check_file
from tfflows.data.split import split_source

# Names of arrays that hold class labels, the first that there is.
_LABELS = ("y", "label", "labels")


def load_npz(
    path: str,
    *,
    seed: int = 0,
    label_as_context: bool = False,
    image_size: Sequence[int] | None = None,
) -> ArraySource:
    """Loads one array [N, ...] of an .npz archive.

    A uint8 array of rank 3 or more is image data of 256 levels; every other array
    of numbers becomes float32. Images [N, H, W] get a channel: [N, H, W, 1]. An array
    "y", "label" or "labels" [N] of integers, booleans or texts holds class labels; one
    of floats, [N] or [N, C], what was observed of each example.

    Args:
        path: the file; "PATH#key" names the array, otherwise it is "x" or the only
            one.
        seed: fixes the splits: 80, 10 and 10 per cent of the examples.
        label_as_context: whether batches carry the label as "context".
        image_size: height and width that images are resized to; None: as they are.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no .npz archive, no such array, or an array of another type or
            rank, empty or not finite (the message names the first such position);
            labels that are not one for each example; another size of what is no image.
    """
    file, key = _file_and_key(path)
    check_file(file)
    array, labels = _read_npz(file, key)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected numbers, got dtype {array.dtype}")
    if array.ndim < 2 or array.size == 0:
        raise ValueError(
            f"{path}: expected an array of shape [examples, ...] that is not empty, "
            f"got shape {array.shape}"
        )
    is_image = array.dtype == np.uint8 and array.ndim >= 3
    x = array if is_image else _finite_float32(path, array)
    if is_image and x.ndim == 3:
        x = x[..., np.newaxis]
    if image_size is not None:
        if not (is_image and x.ndim == 4):
            raise ValueError(
                f"{path}: expected uint8 images [N, H, W, C] with image_size, got "
                f"{array.dtype} {array.shape}"
            )
        x = np.stack([resized(image, image_size) for image in x])
    options = _label_options(path, labels, len(x))
    return split_source(
        f"npz:{path}",
        Examples(x, options.pop("labels", None)),
        seed=seed,
        levels=256 if is_image else None,
        label_as_context=label_as_context,
        **options,
    )


def _label_options(path: str, labels: np.ndarray | None, size: int) -> dict[str, Any]:
    if labels is None or labels.ndim == 0:
        return {}
    kind, fits = labels.dtype.kind, len(labels) == size
    if kind == "f" and fits and labels.ndim <= 2:
        observed = _finite_float32(path, labels.reshape(size, -1))
        return {"labels": observed, "observation_shape": observed.shape[1:]}
    if labels.ndim > 1 or kind not in "biuUS":
        return {}  # an array of something else
    if not fits:
        raise ValueError(
            f"{path}: expected a label for each of the {size} examples, got "
            f"{labels.dtype} of shape {labels.shape}; name the array otherwise if it "
            "holds no labels"
        )
    texts = labels.astype(str) if labels.dtype.kind == "S" else labels
    numbers, names = numbered(texts)
    return {"labels": numbers, "label_names": names}


def _file_and_key(path: str) -> tuple[str, str]:
    if not os.path.exists(os.path.expanduser(path)) and "#" in path:
        file, _, key = path.rpartition("#")
    else:  # a # in the name of a file that is there
        file, key = path, ""
    return os.path.expanduser(file), key


def _finite_float32(path: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # overflow gives inf, which is reported
        x = array.astype(np.float32)
    if not np.isfinite(x).all():
        position = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(
            f"{path}: expected finite float32 numbers, got {array[position]} at "
            f"position {list(position)} (counted from 0)"
        )
    return x


def _read_npz(path: str, key: str) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("this is a single array, saved by numpy.save")
        with archive:
            key = key or _only_key(archive.files)
            array = archive[_checked_key(path, archive, key)]
            found = [name for name in _LABELS if name in archive.files and name != key]
            labels = archive[_checked_key(path, archive, found[0])] if found else None
    except Exception as error:  # broken bytes raise whatever they run into
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path}: not a usable .npz archive: {reason}") from error
    if not isinstance(array, np.ndarray):  # a file that is not .npy comes as bytes
        raise ValueError(f"{path}: expected an array in {key!r}, got other bytes")
    return array, labels


def _checked_key(path: str, archive: np.lib.npyio.NpzFile, key: str) -> str:
    if key not in archive.files:
        raise ValueError(f"expected the array {key!r}, got {archive.files}")
    with zipfile.ZipFile(path) as zipped:  # a small archive may hold a huge array
        sizes = {item.filename: item.file_size for item in zipped.infolist()}
    size, memory = sizes.get(key, sizes.get(f"{key}.npy", 0)), _memory()
    if size > memory:
        raise ValueError(f"{key!r} takes {size} bytes, of a memory of {memory}")
    return key


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _only_key(keys: Sequence[str]) -> str:
    keys = [key for key in keys if key not in _LABELS] or keys
    if "x" in keys or len(keys) == 1:
        return "x" if "x" in keys else keys[0]
    raise ValueError(
        f"expected one array, or one named 'x', got {list(keys)}; add #key to the path"
    )
