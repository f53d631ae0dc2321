"""The error of a wrong name or value in a configuration, and its near names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tfflows.system.command_line import UsageError

_MOST_NAMES = 20


class ConfigError(UsageError):
    """A name or value that no configuration has; the binaries exit with 2."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Makes the error of an unknown name, with the near ones.

    Args:
      kind: What the name should have been, for example "model".
      name: The name that is not known.
      known: The names that are.

    Returns:
      An error to raise: it lists the near names, or else the known ones.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    hint = "did you mean " if near else "known: "
    shown = near or names[:_MOST_NAMES]
    more = ", ..." if not near and len(names) > _MOST_NAMES else ""
    listed = ", ".join(shown) + more or "none"
    return ConfigError(f"expected a known {kind}, got {name!r}; {hint}{listed}")
