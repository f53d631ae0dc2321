"""Tutorials: scripts in percent format that run as notebooks, with their outputs.

An executed notebook is kept in .cache/tutorials under a digest of its cells and of
tfflows' sources, and is not run again while neither changes.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import jupytext
import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from public_names import ROOT

DOCS = ROOT / "docs"
_CACHE = ROOT / ".cache" / "tutorials"
_MAX_SECONDS = 600


def scripts() -> list[pathlib.Path]:
    """The sources of all tutorials, and of the gallery."""
    return [*sorted((DOCS / "tutorials").glob("*.py")), DOCS / "gallery.py"]


def notebook(script: pathlib.Path) -> Any:
    """A script as a notebook without outputs."""
    made = jupytext.read(script)
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
    return made


def executed(script: pathlib.Path) -> Any:
    """The notebook with outputs, from the cache or by running it."""
    plain = notebook(script)
    kept = _CACHE / f"{script.stem}-{_digest(plain)}.ipynb"
    if kept.exists():
        return _with_outputs(plain, nbformat.read(kept, as_version=4))
    if os.environ.get("DOCS_QUICK"):
        return plain
    made = run(plain, script.stem)
    _CACHE.mkdir(parents=True, exist_ok=True)
    for old in _CACHE.glob(f"{script.stem}-*.ipynb"):
        old.unlink()
    nbformat.write(made, kept)
    return made


def _with_outputs(plain: Any, kept: Any) -> Any:
    """The notebook, whose text may be newer, with the outputs of equal code."""
    for cell, twin in zip(_code(plain), _code(kept), strict=True):
        cell.outputs, cell.execution_count = twin.outputs, twin.execution_count
    return plain


def _code(made: Any) -> list[Any]:
    return [cell for cell in made.cells if cell.cell_type == "code"]


def run(plain: Any, name: str) -> Any:
    """Runs a notebook in a folder of its own."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, _environment():
        # Over sockets of the file system: no port that others could listen to.
        kernel = AsyncKernelManager(transport="ipc", ip=f"{folder}/kernel")
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            plain,
            kernel,
            timeout=_MAX_SECONDS,
            coalesce_streams=True,
            resources=resources,
        )
        client.execute(stderr=subprocess.DEVNULL)  # TensorFlow's lines, past Python
    print(f"ran tutorial {name} in {time.perf_counter() - start:.0f} s", flush=True)
    for cell in plain.cells:
        cell.metadata.pop("execution", None)  # times of day
        cell.outputs = [kept for kept in cell.get("outputs", []) if _is_shown(kept)]
    return plain


def _is_shown(output: Any) -> bool:
    return output.get("name") != "stderr"


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """What kernels inherit: our programs on the path, TensorFlow without logs."""
    before = dict(os.environ)
    os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _digest(plain: Any) -> str:
    code = "\0".join(cell.source for cell in _code(plain))
    return hashlib.sha256((code + _library()).encode()).hexdigest()[:16]


@functools.cache
def _library() -> str:
    """A digest of what runs the cells: tfflows, its weights, and what it stands on."""
    digest = hashlib.sha256()
    for package in ("tensorflow", "keras", "tensorflow-probability", "numpy"):
        digest.update(importlib.metadata.version(package).encode())
    for folder in ("tfflows", "zoo", "export"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".h5", ".json") and path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


def page(made: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """Markdown of an executed notebook, and its pictures by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in made.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif "hide" not in cell.metadata.get("tags", []):
            parts.append(_fenced(cell.source, "python"))
        for output in cell.get("outputs", []):
            parts.append(_shown(output, name, pictures))
    download = f"[Open as a notebook]({name}.ipynb){{ .md-button download }}"
    return "\n\n".join([*parts, download, ""]), pictures


def _shown(output: Any, name: str, pictures: dict[str, bytes]) -> str:
    if output.output_type == "stream":
        return _text(output.text)
    data = output.get("data", {})
    if "image/png" in data:
        file = f"{name}_{len(pictures)}.png"
        pictures[file] = base64.b64decode(data["image/png"])
        return f"![]({file})"
    if "text/html" in data:
        table = re.sub(r"<style.*?</style>|\n\s*", "", data["text/html"], flags=re.S)
        return f'<div class="output">{table}</div>'
    return _text(data.get("text/plain", ""))


def _text(text: str) -> str:
    plain = re.sub(
        r"\x1b\[[0-9;]*m|(?:INFO|WARNING):tensorflow:.*\n", "", text
    ).rstrip()
    if not plain:
        return ""
    return f'<div class="output" markdown="1">\n\n{_fenced(plain, "text")}\n\n</div>'


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"
