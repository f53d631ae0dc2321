"""Reads `assets.extra/flow.json`, which `tfflows.export.writing.description` writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfflows.system import files

FLOW_JSON = Path("assets.extra", "flow.json")


def read_description(saved_model: str | os.PathLike) -> dict[str, Any]:
    """Returns an export's description; for its keys see `writing.description`.

    Args:
      saved_model: Folder of `saved_model.pb`.

    Raises:
      FileNotFoundError: If the export has no description.
      ValueError: If the description is no JSON object.
    """
    path = Path(saved_model) / FLOW_JSON
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the folder of an export of tfflows, got {saved_model}: no "
            f"{FLOW_JSON} there"
        )
    return files.read_json(path)
