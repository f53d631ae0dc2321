"""Writes files whole or not at all, and reads and writes JSON.

A file is written in a scratch folder beside its destination, which the process locks:
what a killed one left is told from files that are still being written.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from tfflows.system.locks import held, sweep

SCRATCH = ".tmp_tfflows_"
_WILDCARDS = "*?[\\"


def path(name: str | os.PathLike) -> pathlib.Path:
    """Returns a user's path, with a leading ~ replaced by the home folder."""
    return pathlib.Path(os.path.expanduser(name))


@contextlib.contextmanager
def replacing(place: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path that replaces `place` if the block succeeds.

    Args:
      place: The file to write. An old file stays until then, and after an error. The
        new one is synced before it is renamed, so a power cut leaves one of the two.

    Yields:
      A path of the same name, in a scratch folder beside it.
    """
    place = path(place)
    place = place.resolve() if place.is_symlink() else place  # the link stays
    with scratch(place.parent) as folder:
        temporary = folder / place.name
        yield temporary
        sync(temporary)
        os.replace(temporary, place)
        sync(place.parent)


@contextlib.contextmanager
def scratch(parent: pathlib.Path, tag: str | None = None) -> Iterator[pathlib.Path]:
    """Yields a new folder in `parent`, and removes it after the block.

    Folders that killed processes left in `parent` are removed first.

    Args:
      parent: A folder.
      tag: End of the name, which only one process can hold; None: any.

    Yields:
      The folder.

    Raises:
      FileExistsError: If another process has the folder with this tag.
      FileNotFoundError: If `parent` is no folder.
    """
    if not parent.is_dir():
        raise FileNotFoundError(f"expected a folder to write to, got {parent}: none")
    sweep(parent, SCRATCH)
    while True:
        if tag is None:
            folder = pathlib.Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))
        else:
            folder = parent / f"{SCRATCH}{tag}"
            folder.mkdir()
        with held(folder) as is_ours:
            if is_ours:
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return


def sync(place: pathlib.Path) -> None:
    """Syncs a file, or the names in a folder, to the disk."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise  # on a file system that cannot sync folders
    finally:
        os.close(handle)


def write_text(place: str | os.PathLike, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(place) as temporary:
        # Keep line ends; a path from the command line may hold any bytes.
        temporary.write_text(text, "utf-8", errors="surrogateescape", newline="")


def write_json(place: str | os.PathLike, values: Mapping[str, Any]) -> None:
    """Writes a JSON file, whole or not at all."""
    write_text(place, json.dumps(values, indent=2) + "\n")


def read_json(place: str | os.PathLike) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Raises:
      ValueError: If the file is not JSON, or not an object.
      OSError: If it cannot be read.
    """
    return parse_json(pathlib.Path(place).read_bytes(), place)


def parse_json(content: bytes, place: str | os.PathLike) -> dict[str, Any]:
    """Parses the content of a JSON file that holds one object.

    Args:
      content: UTF-8, with or without a byte-order mark.
      place: The file, for the error.

    Raises:
      ValueError: If it is not JSON (which has no NaN), not an object, or repeats a key.
    """
    try:
        values = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_without_twins,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        what = "an empty file" if not content.strip() else error
        raise ValueError(f"expected JSON in {os.fspath(place)}, got: {what}") from error
    if not isinstance(values, dict):
        raise ValueError(
            f"expected a JSON object in {os.fspath(place)}, got {values!r:.40}"
        )
    return values


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twin!r} twice")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which JSON has not")


@contextlib.contextmanager
def without_wildcards(place: str | os.PathLike) -> Iterator[str]:
    r"""Yields a path that TensorFlow does not read as a pattern.

    TensorFlow reads the path of a checkpoint, also in a SavedModel, as a pattern, so it
    never finds one below a folder named `lr[1e-3]`.

    Args:
      place: A folder.

    Yields:
      Its path or, if it contains one of ``*?[\``, a symbolic link to it.
    """
    if not has_wildcards(place):
        yield os.fspath(place)
        return
    with tempfile.TemporaryDirectory(prefix="tfflows_") as folder:
        link = os.path.join(folder, "link")
        os.symlink(os.path.abspath(place), link)
        yield link


def pattern_of(name: str) -> str:
    """Returns a pattern for a path that may have wildcards.

    Args:
      name: The path. Leading folders, or a file, that exist are taken literally, even
        if they are named like a pattern.
    """
    name = os.path.expanduser(name)
    there, rest = name, ""
    while there and not os.path.lexists(there):
        there, separator, part = there.rpartition("/")
        rest = f"{separator}{part}{rest}"
    if not has_wildcards(there):
        return name
    return glob.escape(os.path.abspath(there)) + rest


def has_wildcards(place: str | os.PathLike) -> bool:
    r"""Returns whether a path has one of the characters ``*?[\`` of patterns."""
    return any(character in os.fspath(place) for character in _WILDCARDS)
