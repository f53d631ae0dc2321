"""A folder of checkpoints that survives broken files."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import sys
from typing import Any

import tensorflow as tf

from tfflows.system import files

_NAME = "ckpt"


class CheckpointFolder:
    """Writes checkpoints of a state, and restores the newest readable one.

    Restoring verifies the checksum of every tensor. If a checkpoint cannot be read, its
    path is printed to standard error and the previous one is used. Older checkpoints
    are removed only after the new one is complete.

    Args:
      state: tf.Variables, or lists of them, by name.
      directory: The folder.
      keep: Number of checkpoints to keep.

    Attributes:
      directory: The folder.
    """

    def __init__(
        self, state: dict[str, Any], directory: str | os.PathLike, keep: int
    ) -> None:
        self.directory, self._keep = pathlib.Path(directory), keep
        self._checkpoint = tf.train.Checkpoint(**state)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the checkpoints in the folder, oldest first.

        They are read from file names, because an index file could be broken or lost.
        """
        found = (re.match(rf"{_NAME}-(\d+)\.", name) for name in self._names())
        return sorted({int(match[1]) for match in found if match})

    def save(self, number: int) -> None:
        """Writes a checkpoint, and removes the oldest ones beyond `keep`.

        Args:
          number: Number of the checkpoint; an existing one is replaced.

        Raises:
          OSError: If it cannot be written. Older checkpoints stay intact.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._checkpoint.write(os.fspath(self.directory / f"{_NAME}-{number}"))
            for name in self._names(number):
                files.sync(self.directory / name)
            files.sync(self.directory)
        except (tf.errors.OpError, OSError) as error:
            self.remove_unfinished()
            raise OSError(
                f"expected to write checkpoint {number} to {self.directory}: "
                f"{_first_line(error)}; those before it are as they were"
            ) from error
        for old in [n for n in self.numbers if n != number][: -self._keep + 1 or None]:
            self._remove(old)

    def remove_unfinished(self) -> None:
        """Removes what a killed process left. Only the writing process may call it."""
        for name in self._names():
            if re.match(rf"{_NAME}-\d+_temp", name):
                shutil.rmtree(self.directory / name, ignore_errors=True)

    def _remove(self, number: int) -> None:
        # Remove the index first: without it, the other files are no checkpoint.
        for name in sorted(self._names(number), reverse=True):
            (self.directory / name).unlink(missing_ok=True)

    def _names(self, number: int | None = None) -> list[str]:
        if not self.directory.is_dir():
            return []
        start = f"{_NAME}-" if number is None else f"{_NAME}-{number}."
        return [n for n in os.listdir(self.directory) if n.startswith(start)]

    def restore(self) -> bool:
        """Restores the newest readable checkpoint.

        Returns:
          True if one was restored, False if the folder has none.

        Raises:
          ValueError: If the folder has checkpoints, but none is readable and fits.
        """
        problems = []
        for number in reversed(self.numbers):
            path = self.directory / f"{_NAME}-{number}"
            try:
                restore_from(self._checkpoint, path)
            except ValueError as error:
                problems.append(str(error))
                continue
            for problem in problems:
                print(f"{problem}; going on from {path}", file=sys.stderr)
            return True
        if problems:
            raise ValueError(problems[0])
        return False


def restore_from(checkpoint: tf.train.Checkpoint, path: str | os.PathLike) -> None:
    """Restores a checkpoint that must contain everything in `checkpoint`.

    Args:
      checkpoint: The objects to fill.
      path: Path of the saved checkpoint, without its file ending.

    Raises:
      ValueError: If it cannot be read or does not fit.
    """
    folder, name = os.path.split(path)
    try:
        with files.without_wildcards(folder) as readable:
            status = checkpoint.read(os.path.join(readable, name))
            status.assert_existing_objects_matched()
    except Exception as error:  # broken files raise errors of any class
        raise ValueError(
            f"expected a readable checkpoint of this model in {path}: "
            f"{_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
