"""Locks on folders and files, which the kernel releases when a process ends.

The next process, even in another container, can therefore tell leftovers from files
that are still being written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator

_REFUSED_LOCK = (errno.EWOULDBLOCK, errno.EACCES)


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[bool]:
    """Marks a new folder as in use by this process, for `sweep`.

    Yields:
      Whether the folder still exists: a sweep may have removed it unmarked.
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
    """Removes folders whose process has ended.

    Args:
      parent: Folder that contains them. If it is missing, nothing happens.
      prefix: Prefix of their names.
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
    """Holds a lock file, and removes it after the block.

    The lock of a process that has ended is taken over.

    Args:
      place: The file.
      holder: Name of the holder, written to the file.

    Yields:
      None, or the file's content if another process holds it. Without file locks, the
      file system never refuses.
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
    """Locks an open file. False: another process has it; None: no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _REFUSED_LOCK else None
    return True
