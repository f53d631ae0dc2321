"""Errors of requests to a server."""

from __future__ import annotations


class ServingError(RuntimeError):
    """A request that failed, over REST or gRPC.

    Attributes:
      code: Name of the gRPC status: "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE",
        "DEADLINE_EXCEEDED", ...; for REST, the one that the HTTP status stands for.
      message: The server's own text, or the transport's.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
