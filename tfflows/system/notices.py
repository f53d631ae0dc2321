"""Warnings about a user's data."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable


def warn_of(messages: Iterable[str]) -> None:
    """Warns of each, as coming from the line of a user's program that led here."""
    level, frame = 2, sys._getframe(1)
    while frame is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    for message in messages:
        warnings.warn(message, UserWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "tfflows"
