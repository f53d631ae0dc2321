"""How often one call of `products` does the work: what a call costs is no product."""

from __future__ import annotations


def times_of(operation: str, rows: int) -> int:
    """Passes in one call."""
    if operation == "fit":
        return 1
    return max(4096 // rows, 1) if rows > 1 else 200
