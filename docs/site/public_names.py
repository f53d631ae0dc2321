"""The public names, read from the sources: the API has a page for each.

A package with `__all__` is public, so is a module of tfflows itself with one, and a
module that another's `__all__` names.
A new name in an `__all__` has its page with the next build.
"""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import griffe

ROOT = pathlib.Path(__file__).parents[2]
# Packages with an `__all__` that only the programs read.
_INTERNAL = {"tfflows.zoo.experiments"}


class Name(NamedTuple):
    """A public name: where it stands, what it is, and its summary."""

    module: str
    name: str
    thing: griffe.Object

    @property
    def path(self) -> str:
        """As a program writes it."""
        return f"{self.module}.{self.name}"

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return summary(self.thing)


def summary(thing: griffe.Object) -> str:
    """The first paragraph of a docstring, on one line; empty if there is none."""
    text = thing.docstring.value if thing.docstring else ""
    return " ".join(text.split("\n\n")[0].split())


@functools.cache
def library() -> griffe.Module:
    """The sources of tfflows."""
    loader = griffe.GriffeLoader(search_paths=[str(ROOT)])
    loaded = loader.load("tfflows")
    loader.resolve_aliases(implicit=True, external=False)
    return loaded


@functools.cache
def modules() -> dict[str, griffe.Module]:
    """The public modules by name, the top level first."""
    return {module.path: module for module in sorted(_modules(library()), key=_order)}


def _order(module: griffe.Module) -> str:
    return module.path


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    named = set(module.exports or ())
    for name, part in module.modules.items():
        if part.is_alias or part.path in _INTERNAL:
            continue
        is_public = part.exports and (part.is_init_module or module.path == "tfflows")
        if name in named or is_public:
            yield from _modules(part)


def names(module: griffe.Module) -> list[Name]:
    """What a module gives, modules apart: its `__all__`, or what it defines."""
    listed = module.exports
    if listed is None:
        listed = [
            name
            for name, thing in module.members.items()
            if not (name.startswith("_") or thing.is_alias)
            and (thing.is_class or thing.is_function)
        ]
    found = []
    for name in sorted(map(str, listed), key=str.lower):
        thing = module.members[name]
        thing = thing.final_target if thing.is_alias else thing
        if not thing.is_module:
            found.append(Name(module.path, name, thing))
    return found


@functools.cache
def pages() -> dict[str, Name]:
    """By where it is defined, the name that has the page.

    The deepest module that gives it: `tfflows.models.Flow`, not `tfflows.Flow`.
    """
    found: dict[str, Name] = {}
    for module in modules().values():
        for name in names(module):
            known = found.get(name.thing.path)
            if known is None or name.module.count(".") > known.module.count("."):
                found[name.thing.path] = name
    return found


@functools.cache
def by_short_name() -> dict[str, str]:
    """Paths by what docstrings call them: "Flow", "models.Flow", "Flow.sample"."""
    found: dict[str, str] = {}
    for name in pages().values():
        module = name.module.partition(".")[2]
        paths = {name.name: name.path, f"{module}.{name.name}": name.path}
        if name.thing.is_class:
            for method, thing in name.thing.members.items():
                if thing.is_function and not method.startswith("_"):
                    paths[f"{name.name}.{method}"] = f"{name.path}.{method}"
        for short, path in paths.items():
            found.setdefault(short, path)
    return found


def linked(text: str, own_name: str = "", prefix: str = "") -> str:
    """Markdown with a link to the page of each public name in backticks.

    Args:
      text: Markdown.
      own_name: The name whose page it is, which needs no link.
      prefix: What a name has to begin with, as a regular expression.
    """
    known = by_short_name()

    def link(found: re.Match[str]) -> str:
        name = found[1].removeprefix("tfflows.")
        path = known.get(name)
        return f"[{found[0]}][{path}]" if path and name != own_name else found[0]

    return re.sub(rf"(?<![\[`\\{{])`({prefix}[\w.]+)`(?![`\]])", link, text)
