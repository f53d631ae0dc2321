"""What every test starts from."""

from __future__ import annotations

import keras
import pytest


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same initial weights in every run: a failure can be seen again."""
    keras.utils.set_random_seed(1)
