"""Handles SIGTERM, which schedulers send to stop a job, and Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

EXIT_CODE = 75  # EX_TEMPFAIL: the same command resumes
INTERRUPTED = 128 + signal.SIGINT  # as shells report it


class Termination:
    """Context manager that ends the process cleanly at SIGTERM and Ctrl-C.

    Unfinished files are removed, and a line on standard error names the signal and what
    was saved. The exit code is 75 after SIGTERM and 130 after Ctrl-C. While `deferred`,
    a signal only sets `requested`, so that training can save its state first; a second
    Ctrl-C stops at once. Enter it in the main thread.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False
        self._signal: int = signal.SIGTERM
        self._told: str | None = None

    def __enter__(self) -> Termination:
        self._before = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *error: object) -> None:
        # Not in the handler, which may interrupt another line.
        if self._told is not None:
            name = signal.Signals(self._signal).name
            print(f"stopped by {name}: {self._told}", file=sys.stderr, flush=True)
            logging.disable(logging.NOTSET)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Context manager in which the caller checks `requested` and calls `stop`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def stop(self, told: str = "nothing is left half-written") -> NoReturn:
        """Ends the process.

        Args:
          told: What was saved.
        """
        self._told = told
        logging.disable()  # hide messages of libraries that are stopped
        by_hand = self._signal == signal.SIGINT
        raise SystemExit(INTERRUPTED if by_hand else EXIT_CODE)

    def _handle(self, number: int, frame: Any) -> None:
        del frame
        again = self.requested and number == signal.SIGINT
        stopping = self._told is not None  # and removing files
        self.requested, self._signal = True, self._signal if stopping else number
        if again or not (self._deferred or stopping):
            self.stop()
