"""Pages that stand elsewhere in the repository, and lists of pages."""

from __future__ import annotations

import pathlib
import re

import api_pages


def moved(text: str) -> str:
    """A text of the repository's root with the links of a page of the site."""
    text = re.sub(r"\]\(docs/(\w+)/\)", r"](\1/index.md)", text)
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\]\((README|CONTRIBUTING|CHANGELOG|SECURITY)\.md", _lower, text)


def _lower(found: re.Match[str]) -> str:
    name = "index" if found[1] == "README" else found[1].lower()
    return f"]({name}.md"


def listed(folder: pathlib.Path) -> str:
    """A list of a folder's pages by their titles."""
    lines = [f"- [{title(path)}]({path.name})" for path in sorted(folder.glob("*.md"))]
    return "\n".join(["", *lines, ""])


def title(page: pathlib.Path) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.*)$", page.read_text(), re.MULTILINE)
    return found[1] if found else page.stem


def expanded(nav: list, docs: pathlib.Path) -> list:
    """The navigation with a folder's pages where it names the folder."""
    return [item for entry in nav for item in _entry(entry, docs)]


def _entry(entry: str | dict, docs: pathlib.Path) -> list:
    if isinstance(entry, str):
        return _of_folder(entry, docs) if entry.endswith("/") else [entry]
    ((heading, inside),) = entry.items()
    if isinstance(inside, list):
        return [{heading: expanded(inside, docs)}]
    return [{heading: _of_folder(inside, docs)}] if inside.endswith("/") else [entry]


def _of_folder(folder: str, docs: pathlib.Path) -> list:
    if folder == "api/":
        return api_pages.navigation()
    names = sorted(path.name for path in (docs / folder).glob("*.md"))
    return [f"{folder}index.md", *(f"{folder}{name}" for name in names)]
