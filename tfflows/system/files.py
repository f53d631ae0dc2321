"""Files that are written whole or not at all, and JSON files.

What is being written lies in a scratch folder beside its place, which its process holds
by a lock of the kernel (`flock`): the lock goes with the process, so that the next
process tells litter from what somebody is still writing, also in another container.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

SCRATCH = ".tmp_tfflows_"
_WILDCARDS = "*?[\\"
_REFUSED_LOCK = (errno.EWOULDBLOCK, errno.EACCES)


def path(name: str | os.PathLike) -> pathlib.Path:
    """A path of the user's, in which a leading ~ is the home folder."""
    return pathlib.Path(os.path.expanduser(name))


@contextlib.contextmanager
def replacing(place: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a temporary path that becomes `place` when the block ends well.

    Args:
      place: The file to write; an old one stays until then, or after an error. It is on
        the disk before it takes its name: a power cut leaves one of the two.

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
    """Gives a new folder in `parent`, which is gone after the block.

    Those that killed processes left in `parent` are removed first.

    Args:
      parent: A folder.
      tag: The end of its name, which only one process can have; None: any.

    Yields:
      The folder.

    Raises:
      FileExistsError: Another process has the folder of this tag.
      FileNotFoundError: `parent` is no folder.
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


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[bool]:
    """Marks a new folder as one that this process writes to, for `sweep`.

    Yields:
      Whether the folder is still there, which a sweep could have found unmarked.
    """
    with contextlib.ExitStack() as stack:
        try:
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            locked = _lock(handle)
        except FileNotFoundError:
            locked = False
        yield locked is not False and folder.exists()


def sweep(parent: pathlib.Path, prefix: str) -> None:
    """Removes folders of which the process that held them has ended.

    Args:
      parent: Where they lie; nothing happens if it is missing.
      prefix: The beginning of their names.
    """
    if not parent.is_dir():
        return
    for name in os.listdir(parent):
        folder = parent / name
        if not name.startswith(prefix) or folder.is_symlink() or not folder.is_dir():
            continue
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                if _lock(handle):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


@contextlib.contextmanager
def lock(place: pathlib.Path, holder: str) -> Iterator[str | None]:
    """Holds a lock file, which is gone after the block.

    That of a process that has ended is taken over.

    Args:
      place: The file.
      holder: Who holds it, which the file says.

    Yields:
      None, or, if another process holds it, what its file says. A file system without
      locks locks nobody out.
    """
    while True:
        with open(place, "a+", encoding="utf-8", errors="replace") as file:
            if _lock(file.fileno()) is False:
                file.seek(0)
                yield file.read().strip() or "another process"
                return
            if not _is_at(place, file.fileno()):
                continue  # its holder has just removed it
            try:
                file.truncate(0)
                file.write(holder)
                file.flush()
                yield None
            finally:
                place.unlink(missing_ok=True)
            return


def _is_at(place: pathlib.Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(place), os.fstat(handle))
    except FileNotFoundError:
        return False


def _lock(handle: int) -> bool | None:
    """Locks an open file. False: another process has; None: no locks there."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _REFUSED_LOCK else None
    return True


def sync(place: pathlib.Path) -> None:
    """Has the disk write a file, or the names in a folder, now."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise  # these: a file system that syncs no folders
    finally:
        os.close(handle)


def write_text(place: str | os.PathLike, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(place) as temporary:
        # Line ends as they are; a path of the command line may hold any bytes.
        temporary.write_text(text, "utf-8", errors="surrogateescape", newline="")


def write_json(place: str | os.PathLike, values: Mapping[str, Any]) -> None:
    """Writes a JSON file, whole or not at all."""
    write_text(place, json.dumps(values, indent=2) + "\n")


def read_json(place: str | os.PathLike) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Raises:
      ValueError: The file is not JSON, or not an object.
      OSError: It cannot be read.
    """
    return parse_json(pathlib.Path(place).read_bytes(), place)


def parse_json(content: bytes, place: str | os.PathLike) -> dict[str, Any]:
    """Parses the content of a JSON file that holds one object.

    Args:
      content: UTF-8, with or without a byte-order mark.
      place: The file, for the error.

    Raises:
      ValueError: It is not JSON (which has no NaN), or not an object, or names a key
        twice.
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
    r"""Gives a path that TensorFlow does not take for a pattern.

    TensorFlow looks for checkpoints, those in SavedModels too, by their path as a
    pattern: it never finds those below a folder named `lr[1e-3]`.

    Args:
      place: A folder.

    Yields:
      Its path, or, if there is one of ``*?[\`` in it, that of a symbolic link to it.
    """
    if not has_wildcards(place):
        yield os.fspath(place)
        return
    with tempfile.TemporaryDirectory(prefix="tfflows_") as folder:
        link = os.path.join(folder, "link")
        os.symlink(os.path.abspath(place), link)
        yield link


def pattern_of(name: str) -> str:
    """Makes a pattern of a path that may have wildcards.

    Args:
      name: The path. The folders, or the file, at its beginning that there are stand
        for themselves, also those named like a pattern.
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
    r"""Whether a path has one of the characters ``*?[\`` of patterns."""
    return any(character in os.fspath(place) for character in _WILDCARDS)
