"""The dtype policy of the layers that are made in some piece of code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeAlias

import keras

# What stands for a dtype policy; its text first, which a configuration can hold.
DType: TypeAlias = str | keras.DTypePolicy | None


@contextlib.contextmanager
def policy_scope(dtype: DType) -> Iterator[None]:
    """Layers made inside have this dtype policy unless they are given another.

    Keras' default policy is each thread's own, so that no other thread sees this one,
    and it is as before once the scope ends.

    Args:
      dtype: The policy; None: the default stays as it is.
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
