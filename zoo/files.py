"""Files written whole or not at all, and JSON files."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a temporary path that becomes `path` when the block ends well.

    Args:
      path: The file to write; an old one stays until then, or after an error.

    Yields:
      A path in the same folder with the same ending.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, values: Mapping[str, Any]) -> None:
    """Writes a JSON file.

    Args:
      path: The file.
      values: What to write.
    """
    with replacing(path) as temporary:
        text = json.dumps(values, indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Args:
      path: The file.

    Returns:
      The object.

    Raises:
      ValueError: The file is not JSON, or not an object.
      OSError: It cannot be read.
    """
    try:
        values = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object in {path}, got {values!r:.40}")
    return values
