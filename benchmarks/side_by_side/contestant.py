"""What the harness asks of each library."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Contestant(Protocol):
    """A model of one library, ready to be timed.

    Each method returns only when its result is there. The first call of each may
    compile; the harness reports its time apart.
    """

    def num_parameters(self) -> int:
        """Numbers that training changes."""

    def train(self, steps: int) -> float:
        """Trains for so many steps; the mean of their losses, in nats an event."""

    def log_prob(self) -> np.ndarray:
        """Log-densities of the workload's number of events, in nats."""

    def sample(self) -> np.ndarray:
        """As many fresh events."""
