"""The names that exported models are served by, in `models.config` and elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

VERSION = re.compile("[1-9][0-9]{0,17}")


def served_name(directory: str | os.PathLike[str], signature: str | None = None) -> str:
    """The name of an exported model: that of its folder.

    What is no letter, digit, `_`, `.` or `-` becomes `_`.

    Args:
      directory: What `export_saved_model` wrote to.
      signature: With `split`, the signature, whose model has a name of its own.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(directory).resolve().name)
    return f"{name}_{signature}" if signature else name


def served_folders(directory: str | os.PathLike[str]) -> dict[str, Path]:
    """The folders of versions by the names of their models.

    Args:
      directory: What `export_saved_model` wrote to, with or without `split`.

    Returns:
      The folder itself, unless it has no versions but folders that have.
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
