"""The user's own arrays: `npz:` paths."""

import os
import zipfile
from collections.abc import Sequence

import numpy as np

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.sources.csv_and_parquet import check_file
from tfflows.data.split import split_source


def load_npz(path: str, *, seed: int = 0) -> ArraySource:
    """Loads one array [N, ...] of an .npz archive.

    A uint8 array of rank 3 or more is image data of 256 levels; every other array
    of numbers becomes float32.

    Args:
        path: the file; "PATH#key" names the array, otherwise it is "x" or the only
            one.
        seed: fixes the splits: 80, 10 and 10 per cent of the examples.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no .npz archive, no such array, or an array of another type or
            rank, empty or not finite (the message names the first such position).
    """
    file, key = _file_and_key(path)
    check_file(file)
    array = _read_npz(file, key)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected numbers, got dtype {array.dtype}")
    if array.ndim < 2 or array.size == 0:
        raise ValueError(
            f"{path}: expected an array of shape [examples, ...] that is not empty, "
            f"got shape {array.shape}"
        )
    is_image = array.dtype == np.uint8 and array.ndim >= 3
    x = array if is_image else _finite_float32(path, array)
    levels = 256 if is_image else None
    return split_source(f"npz:{path}", Examples(x), seed=seed, levels=levels)


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


def _read_npz(path: str, key: str) -> np.ndarray:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("this is a single array, saved by numpy.save")
        with archive:
            key = key or _only_key(archive.files)
            array = archive[_checked_key(path, archive, key)]
    except Exception as error:  # broken bytes raise whatever they run into
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path}: not a usable .npz archive: {reason}") from error
    if not isinstance(array, np.ndarray):  # a file that is not .npy comes as bytes
        raise ValueError(f"{path}: expected an array in {key!r}, got other bytes")
    return array


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
    if "x" in keys or len(keys) == 1:
        return "x" if "x" in keys else keys[0]
    raise ValueError(
        f"expected one array, or one named 'x', got {list(keys)}; add #key to the path"
    )
