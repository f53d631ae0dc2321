"""Sets the dtype policy of layers created in a block of code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeAlias

import keras

# Types that describe a dtype policy. The text comes first: configurations hold it.
DType: TypeAlias = str | keras.DTypePolicy | None


@contextlib.contextmanager
def policy_scope(dtype: DType) -> Iterator[None]:
    """Context manager that sets the default dtype policy of new layers.

    Keras' default policy is local to a thread, so other threads do not change. When the
    scope ends, the previous policy is restored.

    Args:
      dtype: The policy; None keeps the default.
    """
    if dtype is None:
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(dtype))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
