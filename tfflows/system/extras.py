"""Optional packages: a missing one is an error that names the extra that brings it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needed(extra: str, what: str) -> Iterator[None]:
    """Context manager for the imports of an optional package.

    Args:
      extra: The extra of tfflows that brings it.
      what: What is expected, and for what: "pyarrow for parquet files".

    Raises:
      ImportError: If an import fails.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error}; expected {what}: pip install 'tfflows[{extra}]'"
        ) from error
