"""What every test starts from."""

from __future__ import annotations

import gc
import os

import pytest

gc.disable()  # while modules are imported, which are no garbage


def pytest_collection_finish() -> None:
    """All is imported."""
    gc.enable()


def pytest_unconfigure() -> None:
    """What is left need not be cleared away piece by piece."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs the tests of a file, or all of exports: they share fixtures."""
    for item in items:
        in_export = item.path.parent.name == "export"
        group = "export" if in_export else os.fspath(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same initial weights in every run: a failure can be seen again."""
    import keras  # not above: of pytest-xdist's processes, one runs no test

    keras.utils.set_random_seed(1)
