"""What `make docs` adds to the pages of docs/: MkDocs calls these functions."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import nbformat
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(pathlib.Path(__file__).parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import api_pages
import pages
import public_names
import tutorials
from mathml import with_mathml

_WRITTEN_ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
_LOADED = re.compile(r"<(script|img|link|iframe)\b[^>]*(src|href)=.?(https?:)?//[^>]*>")
_HOME = "---\nhide: [navigation]\n---\n\n"
_LISTED = {
    "models": "# Trained models\n\nAll in [one table](../results/shelf.md).\n",
    "results": "# Measured\n\nFigures, each with the command that made it.\n",
    "adr": "# Decisions\n\nDecisions that a reader of the code may wonder about.\n",
}


def on_config(config: Any) -> Any:
    """Fills in the navigation's folders."""
    config.nav = pages.expanded(config.nav, pathlib.Path(config.docs_dir))
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are not files of docs/."""
    for address, content in _added(pathlib.Path(config.docs_dir)):
        files.append(File.generated(config, address, content=content))
    return files


def _added(docs: pathlib.Path) -> Iterator[tuple[str, str | bytes]]:
    for address, name in _WRITTEN_ELSEWHERE.items():
        text = pages.moved((docs.parent / name).read_text())
        yield address, _HOME + text if address == "index.md" else text
    for folder, head in _LISTED.items():
        yield f"{folder}/index.md", head + pages.listed(docs / folder)
    yield from api_pages.pages()
    for script in tutorials.scripts():
        made = tutorials.executed(script)
        text, pictures = tutorials.page(made, script.stem)
        place = script.relative_to(docs).with_suffix("")
        yield f"{place}.md", text
        yield f"{place}.ipynb", nbformat.writes(made)
        for name, picture in pictures.items():
            yield str(place.with_name(name)), picture


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """Links the library's names in what is written by hand."""
    if page.file.src_uri.startswith("api/"):
        return markdown
    return public_names.linked(markdown, prefix=r"tfflows\.")


def on_page_content(html: str, **kwargs: Any) -> str:
    """Typesets formulas, and keeps sources out of the search."""
    html = with_mathml(html)
    source = re.compile(r'<details class="(mkdocstrings-source|quote)"')
    return source.sub(r'<details data-search-exclude class="\1"', html)


def on_post_page(output: str, page: Any, **kwargs: Any) -> str:
    """Ends the build if a page would load something from elsewhere.

    Raises:
      PluginError: It does.
    """
    found = _LOADED.search(output)
    if found:
        raise PluginError(
            f"{page.file.src_uri}: expected a page that loads nothing from elsewhere, "
            f"got {found[0]}"
        )
    return output
