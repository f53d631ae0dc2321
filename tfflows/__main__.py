"""`python -m tfflows`: lists the programs, or runs one of them.

`python -m tfflows train --model=NAME --model_dir=DIR` is `tfflows-train ...`, and
`python -m tfflows --version` tells the version of the library.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pathlib
import sys

import tfflows
from tfflows.system.command_line import USAGE_ERROR
from tfflows.system.programs import PROGRAMS


def main(arguments: list[str]) -> int:
    """Lists the programs, or runs one.

    Args:
      arguments: The command line after `python -m tfflows`.

    Returns:
      The exit code.
    """
    name, *rest = arguments or ["--help"]
    if name == "--version":
        print(tfflows.__version__)
        return 0
    if name in ("--help", "-h", "help", "--list"):
        print("\n".join([__doc__, *map(_line, PROGRAMS)]))
        return 0
    if name not in PROGRAMS:
        known = ", ".join(PROGRAMS)
        print(f"error: expected one of {known}, got {name}", file=sys.stderr)
        return USAGE_ERROR
    sys.argv[:] = [f"tfflows-{name}", *rest]
    importlib.import_module(PROGRAMS[name]).run()
    return 0


def _line(name: str) -> str:
    """A program and the first line of its docstring, which is read, not imported."""
    package, _, module = PROGRAMS[name].rpartition(".")
    folder = pathlib.Path(__file__).parent / package.removeprefix("tfflows.")
    tree = ast.parse((folder / f"{module}.py").read_text())
    return f"tfflows-{name:10} {(ast.get_docstring(tree) or '').partition(':')[0]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
