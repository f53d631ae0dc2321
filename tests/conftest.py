"""What every test starts from."""

from __future__ import annotations

import gc
import os
import random

import pytest

gc.disable()  # while modules are imported, which are no garbage


def pytest_configure(config: pytest.Config) -> None:
    """XLA's code is for a few rows: the quick suite leaves it as LLVM first makes it.

    The large tests, and a file run by itself, optimise it as a user's program does.
    """
    if config.option.markexpr == "not large":
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_finish() -> None:
    """All is imported, and need not be looked through for garbage again."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Hypothesis, imported for its summary, asks which objects refer to others."""
    gc.unfreeze()


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


_UNUSED = random.Random(1).getstate()


@pytest.fixture(autouse=True)
def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same initial weights in every run: a failure can be seen again.

    `tf.random.set_seed` also throws away TensorFlow's kernels, which takes up to a
    third of a test; it is not called again while nothing has drawn from its seed.
    """
    import keras  # not above: of pytest-xdist's processes, one runs no test
    import tensorflow as tf
    from tensorflow.python.eager import context

    generator = getattr(context.context(), "_rng", None)
    with monkeypatch.context() as patch:
        if generator is not None and generator.getstate() == _UNUSED:
            patch.setattr(tf.random, "set_seed", lambda seed: None)
        keras.utils.set_random_seed(1)
