"""What `tfflows-serve` and `tfflows-score` share: help, errors as one line, exit codes.

Each binary has flags of its own (`flags.FlagValues`). Exit codes: 0; 1 for an error
while running; 2 for a wrong command line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags

_RUN_ERROR = 1
_USAGE_ERROR = 2


class UsageError(ValueError):
    """A wrong command line."""


def new_flags() -> flags.FlagValues:
    """Makes flags with --help."""
    values = flags.FlagValues()
    flags.DEFINE_boolean("help", False, "Shows this help.", flag_values=values)
    return values


def parse(
    values: flags.FlagValues, line: Sequence[str], about: str | None, hint: str = ""
) -> list[str]:
    """Parses a command line; ends the process after --help or an error.

    Args:
      values: The binary's flags.
      line: The program's name first.
      about: What heads the help.
      hint: What to say where there is more than flags.

    Returns:
      The program's name.
    """
    values.unparse_flags()
    try:
        rest = values(line)
        if rest[1:]:
            raise UsageError(f"expected only flags, got {' '.join(rest[1:])}{hint}")
    except (UsageError, flags.Error) as error:
        report(error)
        sys.exit(_USAGE_ERROR)
    flags.FLAGS.mark_as_parsed()
    if values.help:
        print(f"{about}\n{values.get_help()}")
        sys.exit(0)
    return rest


def report(error: Exception) -> int:
    """Prints an error as one line; returns the exit code."""
    print(f"error: {(str(error).splitlines() or [repr(error)])[0]}", file=sys.stderr)
    return _USAGE_ERROR if isinstance(error, UsageError) else _RUN_ERROR
