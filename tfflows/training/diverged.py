"""Stops a training that has diverged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras


class StopWhereDiverged(keras.callbacks.Callback):
    """Ends a training after an epoch whose losses are not finite.

    Raises:
      ValueError: In training, after the first such epoch. The message says what to
        change.
    """

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Checks the losses; called by Keras."""
        losses = {name: (logs or {}).get(name, 0.0) for name in ("loss", "val_loss")}
        wrong = [f"{k} {float(v)}" for k, v in losses.items() if not math.isfinite(v)]
        if wrong:
            raise ValueError(
                f"expected finite losses, got {' and '.join(wrong)} in epoch "
                f"{epoch + 1}; lower trainer.learning_rate, or set trainer.clip_norm "
                "or trainer.warmup_steps, in a new --model_dir; the best weights of "
                "the epochs before stay"
            )
