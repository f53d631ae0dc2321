"""What programs of a user's may call: `tfflows.backend.memory`."""

from tfflows.backend.memory import keep_freed_memory

__all__ = ["keep_freed_memory"]
