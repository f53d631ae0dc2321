"""Reserves version numbers of exports, and puts their folders in place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfflows.backend.arguments import check_count
from tfflows.system import files, locks


@contextlib.contextmanager
def reserved_version(
    directory: Path, folders: Sequence[Path], version: int | None
) -> Iterator[tuple[int, Path]]:
    """Reserves a version: no other process gets its number until the block ends.

    It also removes what killed exports left.

    Args:
      directory: Directory of the model; created if missing.
      folders: Folders that get the version.
      version: The number; None: the highest existing one plus 1.

    Yields:
      The number, and a folder to write to on the same file system.

    Raises:
      ValueError: If the version is below 1 or TensorFlow cannot read from the
        directory.
      FileExistsError: If the version exists or another process writes it.
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
    locks.sweep(directory, files.SCRATCH)
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
            # Look at reserved ones first: one that ends in between is then seen twice.
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
    """Syncs a folder to the disk, then renames it.

    Args:
      written: The folder.
      place: Its new path. The parent is created if missing.

    Raises:
      FileExistsError: If the path exists.
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
