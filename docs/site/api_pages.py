"""The API's pages as Markdown: one for each public name, one for each module."""

from __future__ import annotations

from collections.abc import Iterator

import griffe
import public_names
from public_names import Name

_STEP = "tfflows.bijectors.flow_step.FlowStep"


def pages() -> Iterator[tuple[str, str]]:
    """Addresses below docs/, and the texts of all pages."""
    modules = public_names.modules()
    yield "api/index.md", _front_page()
    for path, module in modules.items():
        if path != "tfflows":
            yield f"{_folder(path)}/index.md", _module_page(module)
    for name in public_names.pages().values():
        yield address(name), _page(name)


def address(name: Name) -> str:
    """Where the page of a name is."""
    others = [other.name for other in public_names.names(_module(name))]
    twins = sum(other.lower() == name.name.lower() for other in others)
    # Two files that differ by case alone are one file on some disks.
    is_second = twins > 1 and name.thing.is_function
    return f"{_folder(name.module)}/{name.name}{'_function' * is_second}.md"


def navigation() -> list[dict]:
    """The pages as MkDocs' `nav` has them."""
    found: list = ["api/index.md"]
    for path in public_names.modules():
        if path == "tfflows":
            continue
        own = [n for n in public_names.pages().values() if n.module == path]
        title = path.removeprefix("tfflows.")
        entries = [f"{_folder(path)}/index.md"] + [
            {name.name: address(name)} for name in sorted(own, key=_by_name)
        ]
        found.append({title: entries})
    return found


def _by_name(name: Name) -> str:
    return name.name.lower()


def _module(name: Name) -> griffe.Module:
    return public_names.modules()[name.module]


def _folder(module: str) -> str:
    return "/".join(["api", *module.split(".")[1:]])


def _front_page() -> str:
    rows = [
        f"| [`{path}`]({_folder(path).removeprefix('api/')}/index.md) "
        f"| {public_names.summary(module)} |"
        for path, module in public_names.modules().items()
        if path != "tfflows"
    ]
    names = _table(public_names.names(public_names.library()), "api/index.md")
    return "\n".join(
        [
            "# API",
            "",
            "Every public name has a page, with its source. `tfflows` itself has",
            "",
            *names,
            "",
            "| module | |",
            "|---|---|",
            *rows,
        ]
    )


def _module_page(module: griffe.Module) -> str:
    here = f"{_folder(module.path)}/index.md"
    text = module.docstring.value if module.docstring else ""
    parts = [
        f"# {module.path}",
        "",
        text,
        "",
        *_table(public_names.names(module), here),
    ]
    instances = [
        f"`{name}`"
        for name, thing in module.attributes.items()
        if module.exports is None and not name.startswith("_") and not thing.is_alias
    ]
    if instances:
        parts += ["", f"Ready to use: {', '.join(instances)}."]
    return "\n".join(parts)


def _table(names: list[Name], here: str) -> list[str]:
    if not names:
        return []
    rows = [f"| [`{n.name}`]({_link(n, here)}) | {_cell(n.summary)} |" for n in names]
    return ["| name | |", "|---|---|", *rows]


def _link(name: Name, here: str) -> str:
    holder = public_names.pages()[name.thing.path]
    return "../" * here.count("/") + address(holder)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _page(name: Name) -> str:
    """A step does not repeat the methods that all steps have."""
    is_step = name.thing.is_class and any(
        base.path == _STEP for base in name.thing.mro()
    )
    options = {
        "inherited_members": name.thing.is_class and not is_step,
        "show_bases": name.thing.is_class,
    }
    lines = [f"::: {name.path}", "    options:"]
    lines += [f"      {key}: {str(value).lower()}" for key, value in options.items()]
    if is_step:
        lines += [
            "",
            "Every step also has the methods of "
            "[`FlowStep`][tfflows.bijectors.FlowStep] and is a `tfb.Bijector` and a "
            "`keras.layers.Layer`.",
        ]
    return "\n".join([f"---\ntitle: {name.name}\n---\n", *lines, ""])
