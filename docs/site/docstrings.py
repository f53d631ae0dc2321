"""What mkdocstrings reads of a docstring, beyond its text: a Griffe extension.

Formulas are typeset, public names in backticks are links, and families have the
arguments that `tfflows.families.declare` completes when they are imported.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import griffe

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import formulas
import public_names

_FAMILIES = "tfflows.families."


class Docstrings(griffe.Extension):
    """Rewrites docstrings before they are rendered."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Completes families, and turns plain text into Markdown."""
        is_builder = obj.is_function and obj.parent and obj.parent.is_module
        if is_builder and obj.path.startswith(_FAMILIES) and obj.docstring:
            _complete(obj)
        if obj.docstring:
            text = formulas.typeset(obj.docstring.value)
            text = re.sub(r"(?<=\w)::$", ":", text, flags=re.MULTILINE)
            obj.docstring.value = public_names.linked(text, obj.name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what is written to standard error past Python."""
    shown = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)


def _complete(function: Any) -> None:
    module, _, name = function.path.rpartition(".")
    with _quiet():  # TensorFlow's own lines, while it starts
        thing = getattr(importlib.import_module(module), name)
    if not hasattr(thing, "__wrapped__"):
        return
    function.docstring.value = inspect.getdoc(thing)
    function.parameters = griffe.Parameters(
        *(_parameter(p) for p in inspect.signature(thing).parameters.values())
    )


def _parameter(parameter: inspect.Parameter) -> griffe.Parameter:
    kind = griffe.ParameterKind(parameter.kind.description)
    empty = inspect.Parameter.empty
    annotation, default = parameter.annotation, parameter.default
    if annotation is empty:
        written = None
    elif isinstance(annotation, str):
        written = annotation
    else:
        written = inspect.formatannotation(annotation)
    return griffe.Parameter(
        parameter.name,
        kind=kind,
        annotation=written,
        default=None if default is empty else repr(default),
    )
