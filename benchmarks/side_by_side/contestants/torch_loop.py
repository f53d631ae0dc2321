"""What the PyTorch contestants share: networks and the training loop."""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from side_by_side.workloads import Workload

torch.set_num_threads(2)

_Function = Callable[[torch.Tensor], torch.Tensor]


class TorchContestant:
    """An eager model under Adam.

    Args:
      workload: The work.
      model: Holds the parameters.
      log_prob: Maps events `[N, *event]` to their log-densities `[N]`, or to draws of
        bounds of them.
      sample: Draws so many events.
      compiled: Whether `torch.compile` makes the loss and its gradients.
    """

    def __init__(
        self,
        workload: Workload,
        model: nn.Module,
        log_prob: _Function,
        sample: Callable[[int], torch.Tensor],
        compiled: bool = False,
    ) -> None:
        self._workload, self._model = workload, model
        self._log_prob, self._sample = log_prob, sample

        def loss(x: torch.Tensor) -> torch.Tensor:
            return -log_prob(x).mean()

        self._loss = torch.compile(loss) if compiled else loss
        self._data = torch.from_numpy(workload.data())
        if self._data.dim() == 4:
            self._data = self._data.permute(0, 3, 1, 2).contiguous()
        with torch.no_grad():  # starts the actnorms
            log_prob(self._data[: workload.batch_size])
        self._events = self._data[: workload.num_events]
        self._batches = self._shuffled_batches()
        # One kernel for all weights: faster than the default loop.
        self._adam = torch.optim.Adam(
            model.parameters(), lr=workload.learning_rate, fused=True
        )

    def parts(self) -> tuple[nn.Module, _Function, Callable[[int], torch.Tensor]]:
        """The model, and what it was made with: densities and samples."""
        return self._model, self._log_prob, self._sample

    def num_parameters(self) -> int:
        """Numbers that training changes."""
        return sum(p.numel() for p in self._model.parameters() if p.requires_grad)

    def _shuffled_batches(self):
        size, batch_size = len(self._data), self._workload.batch_size
        while True:
            order = torch.randperm(size)
            for start in range(0, size - batch_size + 1, batch_size):
                yield self._data[order[start : start + batch_size]]

    def train(self, steps: int) -> float:
        """Trains for so many steps; the mean of their losses."""
        total = torch.zeros(())
        for _ in range(steps):
            loss = self._loss(next(self._batches))
            self._adam.zero_grad()
            loss.backward()
            self._adam.step()
            total += loss.detach()
        return total.item() / steps

    def log_prob(self) -> np.ndarray:
        """Without a tape."""
        with torch.inference_mode():
            return self._log_prob(self._events).numpy()

    def sample(self) -> np.ndarray:
        """Without a tape."""
        with torch.inference_mode():
            return self._sample(self._workload.num_events).numpy()


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Dense layers, the hidden ones rectified; the last starts at zero."""
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = []
    for size, units in itertools.pairwise(sizes):
        layers += [nn.Linear(size, units), nn.ReLU()]
    return nn.Sequential(*layers, zeroed(nn.Linear(sizes[-1], outputs)))


def conv_net(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Glow's 3x3, 1x1 and 3x3 convolutions; the last starts at zero."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 1),
        nn.ReLU(),
        zeroed(nn.Conv2d(width, outputs, 3, padding=1)),
    )


def zeroed(layer: nn.Module) -> nn.Module:
    """The layer, its weights set to zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def torch_versions(*libraries: str) -> dict[str, str]:
    """Those of the libraries and of PyTorch."""
    return {name: importlib.metadata.version(name) for name in (*libraries, "torch")}
