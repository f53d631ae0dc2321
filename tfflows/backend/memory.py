"""Makes glibc keep freed memory.

TensorFlow and XLA allocate each tensor's memory and free it after its last use. By
default glibc returns large blocks to the system, which must then zero and map the next
tensor's pages at its first use. For activations of images that can take much of the
time (docs/results/performance_log.md).
"""

from __future__ import annotations

import ctypes
import os

# mallopt's numbers and values, by the names of glibc's environment variables.
_SETTINGS = {
    "MALLOC_MMAP_MAX_": (-4, 0),  # no block by itself, but above 64 MB in threads
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),  # nothing returned below 2 GB
    "MALLOC_TOP_PAD_": (-2, 64 * 2**20),  # bytes requested at once
}
KEEPING = {name: str(value) for name, (_, value) in _SETTINGS.items()}


def keep_freed_memory() -> bool:
    """Tells glibc to keep freed memory for the next tensors of this process.

    Call it at the start of programs that compute on CPUs; the binaries of tfflows do.
    The process then keeps its peak memory until it ends. Instead of calling it, you can
    set the environment variables in `KEEPING`. If the environment already sets an
    allocator option (MALLOC_..., or glibc.malloc in GLIBC_TUNABLES), nothing changes.

    Returns:
      True if the setting was changed; False without glibc (macOS, Windows) or if the
      environment already sets an option.

    Source: mallopt(3) of the Linux manual pages.
    """
    settings = [name for name in os.environ if name.startswith("MALLOC_")]
    if settings or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return False
    return all(mallopt(number, value) for number, value in _SETTINGS.values())
