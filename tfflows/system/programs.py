"""Lists the programs, and tells whether this process is one.

A program reads its flags before it imports TensorFlow, which takes seconds. In a
program, `import tfflows` therefore imports no part of the library at first.
"""

from __future__ import annotations

import pathlib
import sys

PROGRAMS = {
    "train": "tfflows.zoo.train",
    "evaluate": "tfflows.zoo.evaluate",
    "sample": "tfflows.zoo.sample",
    "explore": "tfflows.zoo.explore",
    "export": "tfflows.export.main",
    "score": "tfflows.export.score",
    "serve": "tfflows.export.serve",
}
_MODULES = {"tfflows", *PROGRAMS.values()}
_SCRIPTS = {f"tfflows-{name}" for name in PROGRAMS}


def is_program() -> bool:
    """Returns whether Python runs `tfflows-NAME`, or its module with `-m`."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word in ("-W", "-X"):
            next(words, None)
        elif word.startswith("-") and word.endswith("m"):
            return next(words, "") in _MODULES
        elif not word.startswith("-"):
            return pathlib.Path(word).stem in _SCRIPTS
        elif word.startswith("-c"):
            return False
    return False
