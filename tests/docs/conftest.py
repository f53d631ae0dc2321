"""The modules of docs/site, which is no package: MkDocs reads it by path."""

import importlib
import pathlib
import sys

import pytest

SITE = pathlib.Path(__file__).parents[2] / "docs" / "site"


@pytest.fixture(scope="session")
def site():
    """Imports one of docs/site's modules by name."""
    if not SITE.exists():
        pytest.skip("needs the checkout")
    pytest.importorskip("griffe", reason="needs the extra docs")
    sys.path.insert(0, str(SITE))
    yield importlib.import_module
    sys.path.remove(str(SITE))
