"""A folder of checkpoints of which the newest may be broken."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import sys
from typing import Any

import tensorflow as tf

_NAME = "ckpt"


class CheckpointFolder:
    """Writes checkpoints of one state, and restores the newest that can be read.

    Every tensor has a checksum, which restoring verifies. A checkpoint that cannot be
    read is named on standard error, and the one before it is used. Writing replaces no
    older checkpoint before the new one is complete.

    Args:
      state: What is saved, by name: tf.Variables, or lists of them.
      directory: The folder.
      keep: Number of checkpoints to keep.
    """

    def __init__(
        self, state: dict[str, Any], directory: str | os.PathLike, keep: int
    ) -> None:
        self._directory = pathlib.Path(directory)
        self._checkpoint = tf.train.Checkpoint(**state)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint,
            os.fspath(self._directory),
            max_to_keep=keep,
            checkpoint_name=_NAME,
        )

    @property
    def numbers(self) -> list[int]:
        """The numbers of the checkpoints of which there are files, oldest first.

        TensorFlow's own list is a file, which may be broken or lost as well.
        """
        names = (path.name for path in self._directory.glob(f"{_NAME}-*.*"))
        found = (re.match(rf"{_NAME}-(\d+)\.", name) for name in names)
        return sorted({int(match[1]) for match in found if match})

    def save(self, number: int) -> None:
        """Writes a checkpoint.

        Args:
          number: Its number; one of that number is replaced.

        Raises:
          OSError: It cannot be written; those before it stay as they are.
        """
        try:
            self._manager.save(checkpoint_number=number)
        except (tf.errors.OpError, OSError) as error:
            for part in self._directory.glob(f"{_NAME}-{number}_temp*"):
                shutil.rmtree(part, ignore_errors=True)
            raise OSError(
                f"expected to write checkpoint {number} to {self._directory}: "
                f"{_first_line(error)}; those before it are as they were"
            ) from error

    def restore(self) -> bool:
        """Restores the newest checkpoint that can be read.

        Returns:
          Whether there was one; False for a folder without any.

        Raises:
          ValueError: There are some, and none can be read or fits.
        """
        problems = []
        for number in reversed(self.numbers):
            path = self._directory / f"{_NAME}-{number}"
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
    """Restores a checkpoint, which has to fill everything that `checkpoint` names.

    Args:
      checkpoint: The objects to fill.
      path: What was saved, without an ending.

    Raises:
      ValueError: It cannot be read, or does not fit.
    """
    try:
        status = checkpoint.restore(os.fspath(path))
        status.assert_existing_objects_matched()
    except Exception as error:  # broken bytes raise whatever they run into
        raise ValueError(
            f"expected a readable checkpoint of this model in {path}: "
            f"{_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
