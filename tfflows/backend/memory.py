"""What the C library's allocator does with freed memory.

TensorFlow and XLA ask for the memory of each tensor and give it back after its last
use. For large blocks glibc asks the system and returns them to it, so that the pages of
the next tensor come zeroed and one by one, at its first use: for activations of images
that can be a fifth of the time (docs/performance.md).
"""

from __future__ import annotations

import ctypes
import os

# By the names of glibc's environment variables: numbers of mallopt, and values.
_SETTINGS = {
    "MALLOC_MMAP_MAX_": (-4, 0),  # no block by itself, but above 64 MB in threads
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),  # nothing returned below 2 GB
    "MALLOC_TOP_PAD_": (-2, 64 * 2**20),  # asked for at once, in bytes
}
KEEPING = {name: str(value) for name, (_, value) in _SETTINGS.items()}


def keep_freed_memory() -> bool:
    """Tells glibc to keep freed memory for the next tensors of this process.

    For programs that compute on CPUs, at their start; the binaries of tfflows call it.
    The process then holds its largest use of memory until it ends. In place of a call,
    the environment may have the variables of `KEEPING`. Where it has any settings of
    the allocator (names that start with MALLOC_, or glibc.malloc in GLIBC_TUNABLES),
    they stand.

    Returns:
      Whether it was told: False without glibc, as on macOS and Windows, and where the
      environment has settings of its own.

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
