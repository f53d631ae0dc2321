"""Progress lines for log files, in which Keras cannot redraw its bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import keras

from tfflows.backend.arguments import check_number


class ProgressLines(keras.callbacks.Callback):
    """Prints progress to standard error during long epochs.

    Args:
      seconds: Seconds between lines within an epoch; above 0.
    """

    most_steps_at_once = None  # it may be called late, after a round of steps

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds = check_number("seconds", seconds, above=0.0)
        self._epoch, self._last = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Starts the clock; called by Keras."""
        self._epoch, self._last = epoch, time.monotonic()

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Prints a line if one is due; called by Keras."""
        now, steps = time.monotonic(), self.params.get("steps")
        if now < self._last + self._seconds:
            return
        self._last = now
        of = f" of {steps}" if steps else ""
        figures = [f"{name} {float(value):.5g}" for name, value in (logs or {}).items()]
        print(
            ", ".join([f"epoch {self._epoch + 1}: step {batch + 1}{of}", *figures]),
            file=sys.stderr,
            flush=True,
        )
