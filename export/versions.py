"""The versions of an exported model: who gets a number, and its folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfflows.backend.arguments import check_count
from tfflows.system import files


@contextlib.contextmanager
def reserved_version(
    directory: Path, folders: Sequence[Path], version: int | None
) -> Iterator[tuple[int, Path]]:
    """Reserves a version: no other process gets its number until the block ends.

    What killed exports left is removed.

    Args:
      directory: Where all of the model lies; made where missing.
      folders: Those that get the version.
      version: Its number; None: one more than the highest there.

    Yields:
      The number, and a folder to write to, on the same file system.

    Raises:
      ValueError: A version below 1, or a directory that TensorFlow cannot read from.
      FileExistsError: The version exists, or another process writes it.
    """
    if version is not None:
        version = check_count("version", version)
    if files.has_wildcards(os.path.abspath(directory)):
        raise ValueError(
            f"expected a directory without the characters * ? [ \\ , got "
            f"{os.path.abspath(directory)}: tf.saved_model.load and TensorFlow Serving "
            "take such a path for a pattern and find nothing; choose another directory"
        )
    _require_new(folders, version)
    directory.mkdir(parents=True, exist_ok=True)
    files.sweep(directory, files.SCRATCH)
    with contextlib.ExitStack() as stack:
        number, folder = _reserve(stack, directory, folders, version)
        yield number, folder


def _reserve(
    stack: contextlib.ExitStack,
    directory: Path,
    folders: Sequence[Path],
    version: int | None,
) -> tuple[int, Path]:
    number = version or 1
    while True:
        if version is None:
            # The reserved first: one that ends between the two looks is seen twice.
            number = max([*_reserved(directory), *_existing(folders)], default=0) + 1
        try:
            folder = stack.enter_context(files.scratch(directory, str(number)))
        except FileExistsError as error:
            if version is None:
                continue  # another process was faster
            raise FileExistsError(
                f"expected a new version, got {version}, which another process is "
                f"writing to {directory}"
            ) from error
        if number not in _existing(folders):
            return number, folder
        stack.close()  # another process has just finished it
        _require_new(folders, version)


def _require_new(folders: Sequence[Path], version: int | None) -> None:
    existing = _existing(folders)
    if version in existing:
        places = ", ".join(map(str, folders))
        raise FileExistsError(
            f"expected a new version, got {version}, which exists in {places}; "
            f"without a version it becomes the next, {max(existing) + 1}"
        )


def _existing(folders: Sequence[Path]) -> list[int]:
    return [
        int(name)
        for folder in folders
        if folder.is_dir()
        for name in os.listdir(folder)
        if name.isdecimal()
    ]


def _reserved(directory: Path) -> list[int]:
    parts = (name.partition(files.SCRATCH) for name in os.listdir(directory))
    return [int(tag) for start, _, tag in parts if not start and tag.isdecimal()]


def put_in_place(written: Path, place: Path) -> None:
    """Renames a folder when the disk has it.

    Args:
      written: The folder.
      place: Its new path, of which the parent is made where missing.

    Raises:
      FileExistsError: The place is taken.
    """
    place.parent.mkdir(exist_ok=True)
    for path in [written, *written.rglob("*")]:
        files.sync(path)
    try:
        written.rename(place)
    except OSError as error:
        if not place.exists():
            raise
        raise FileExistsError(f"expected a new folder, got {place}") from error
    files.sync(place.parent)
