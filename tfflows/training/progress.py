"""Signs of life of long epochs, for logs, in which Keras' bar cannot be redrawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import keras


class ProgressLines(keras.callbacks.Callback):
    """Prints a line on standard error where an epoch takes longer than a while.

    Args:
      seconds: Time from one line to the next, within an epoch; > 0.
    """

    most_steps_at_once = None  # in a round of steps: it may be called late

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds, self._epoch, self._last = seconds, 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begins to wait; called by Keras."""
        self._epoch, self._last = epoch, time.monotonic()

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Prints where it is time to; called by Keras."""
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
