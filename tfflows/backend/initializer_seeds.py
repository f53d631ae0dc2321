"""Seeds of Keras' initializers, for the models that are built inside a scope."""

from __future__ import annotations

import contextlib
import contextvars
import random
from collections.abc import Iterator
from typing import Any

from keras.src.random import seed_generator


class _InitializerSeeds:
    """The generator from which Keras takes seeds; a scope has its own."""

    scoped: contextvars.ContextVar[random.Random | None] = contextvars.ContextVar(
        "initializer_seeds", default=None
    )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scoped.get() or random, name)


@contextlib.contextmanager
def seeded_initializers(seed: int) -> Iterator[None]:
    """Context manager that seeds new Keras initializers of this thread.

    Build a model inside it to make its initial weights depend only on the seed. Unlike
    `keras.utils.set_random_seed`, it does not touch the process's generators, so
    threads may build models at the same time.

    Args:
      seed: Any integer.
    """
    # Keras has no such scope, but its initializers all get seeds from here.
    if not isinstance(seed_generator.python_random, _InitializerSeeds):
        seed_generator.python_random = _InitializerSeeds()
    token = _InitializerSeeds.scoped.set(random.Random(seed))
    try:
        yield
    finally:
        _InitializerSeeds.scoped.reset(token)
