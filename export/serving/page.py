"""The page of tfflows-serve: draws samples, interpolates, scores uploaded data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse

from tfflows.export.serving.served_model import ServedModel

_FOLDER = Path(__file__).with_name("page")
_FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}


def add_page(app: FastAPI, models: Mapping[str, ServedModel]) -> None:
    """Adds the page, and a path that returns the names of the models.

    It uses only the REST API, so it would also work with TF Serving.
    """

    @app.get("/models.json")
    def names() -> list[str]:
        return list(models)

    @app.get("/")
    @app.get("/page.css")
    @app.get("/page.js")
    def page(request: Request) -> FileResponse:
        return FileResponse(_FOLDER / _FILES[request.url.path])
