"""The error for a wrong name or value in a configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tfflows.system.command_line import UsageError

_MOST_NAMES = 20


class ConfigError(UsageError):
    """A wrong name or value in a configuration; the binaries exit with 2."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Returns the error for an unknown name.

    Args:
      kind: Kind of the name, for example "model".
      name: The unknown name.
      known: The known names.

    Returns:
      An error to raise. It lists similar names, or else the known ones.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    hint = "did you mean " if near else "known: "
    shown = near or names[:_MOST_NAMES]
    more = ", ..." if not near and len(names) > _MOST_NAMES else ""
    listed = ", ".join(shown) + more or "none"
    return ConfigError(f"expected a known {kind}, got {name!r}; {hint}{listed}")
