"""SIGTERM, by which schedulers announce that they take a machine away."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

EXIT_CODE = 75  # EX_TEMPFAIL: the same command again goes on


class Termination:
    """Inside, SIGTERM ends the process with 75, after the training has saved itself.

    While `deferred`, the signal only sets `requested`; elsewhere it ends the process
    at once. To be entered in the main thread.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def __enter__(self) -> Termination:
        self._before = signal.signal(signal.SIGTERM, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, somebody else looks at `requested` and calls `stop`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def stop(self) -> None:
        """Ends the process with 75."""
        raise SystemExit(EXIT_CODE)

    def _handle(self, *signal_and_frame: Any) -> None:
        del signal_and_frame
        self.requested = True
        if not self._deferred:
            self.stop()
