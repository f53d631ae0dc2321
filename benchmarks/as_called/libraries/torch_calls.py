"""The PyTorch libraries, as their documentation calls them."""

from __future__ import annotations

import importlib

import numpy as np
import torch
from side_by_side.workloads import Workload

from as_called.work import BATCH_SIZE, Calls


class TorchCalls:
    """Eager calls without a tape, and a loop of eager steps of `torch.optim.Adam`.

    Compiled: densities, samples and the loss by `torch.compile`.
    """

    def __init__(self, library: str, work: Workload, compiled: bool) -> None:
        module = importlib.import_module(f"side_by_side.contestants.{library}")
        model, log_prob, sample = module.realnvp(work).parts()
        self._x = torch.from_numpy(work.data())
        self._loss = lambda x: -log_prob(x).mean()
        self._log_prob, self._sample = log_prob, sample
        if compiled:
            self._log_prob = torch.compile(log_prob)
            self._sample = torch.compile(sample)
            self._loss = torch.compile(self._loss)
        self._adam = torch.optim.Adam(model.parameters(), lr=work.learning_rate)

    def log_prob(self, rows: int) -> np.ndarray:
        """`flow.log_prob(x)`."""
        with torch.no_grad():
            return self._log_prob(self._x[:rows]).numpy()

    def sample(self, rows: int) -> np.ndarray:
        """`flow.sample(n)`."""
        with torch.no_grad():
            return self._sample(rows).numpy()

    def fit(self, steps: int) -> float:
        """A loop over batches of a shuffled epoch."""
        order, total = torch.randperm(steps * BATCH_SIZE), torch.zeros(())
        for rows in order.split(BATCH_SIZE):
            self._adam.zero_grad()
            loss = self._loss(self._x[rows])
            loss.backward()
            self._adam.step()
            total += loss.detach()
        return total.item() / steps


def calls(library: str, way: str, work: Workload) -> Calls:
    """The library's model, called in one way."""
    return TorchCalls(library, work, compiled=way == "compiled")
