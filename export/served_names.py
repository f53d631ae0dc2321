"""The names under which exported models are served."""

from __future__ import annotations

import os
import re
from pathlib import Path

VERSION = re.compile("[1-9][0-9]{0,17}")


def served_name(directory: str | os.PathLike[str], signature: str | None = None) -> str:
    """Returns the name of an exported model: its folder's name.

    Characters other than letters, digits, `_`, `.` and `-` become `_`.

    Args:
      directory: The directory given to `export_saved_model`.
      signature: With `split`, the signature, which has its own model.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(directory).resolve().name)
    return f"{name}_{signature}" if signature else name


def served_folders(directory: str | os.PathLike[str]) -> dict[str, Path]:
    """Returns the folders of versions by model name.

    Args:
      directory: The directory given to `export_saved_model`, with or without `split`.

    Returns:
      The folder itself or, if it has no versions, its subfolders that have.
    """
    directory = Path(directory)
    split = {}
    if not _has_versions(directory):
        inner = filter(_has_versions, sorted(directory.iterdir()))
        split = {served_name(directory, path.name): path for path in inner}
    return split or {served_name(directory): directory}


def _has_versions(folder: Path) -> bool:
    files = folder.glob("*/saved_model.pb")
    return any(VERSION.fullmatch(file.parent.name) for file in files)
