"""The densities that are compared: each fits rows `[N, D]`, scores and draws.

Those of scikit-learn and tfflows run in the project's environment, zuko's in that of
benchmarks/peers.txt; what one does not have it does not import.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 100)
BANDWIDTHS = np.geomspace(0.02, 1.5, 14)
_VALIDATION = 0.1
_CV_ROWS = 10_000
# A mixture is given up after so many numbers of components without improvement.
_PATIENCE = 3


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(len(x))
    count = max(1, round(_VALIDATION * len(x)))
    return x[order[count:]], x[order[:count]]


class FlowDensityContestant:
    """`FlowDensity()` as it comes."""

    def fit(self, x: np.ndarray, seconds: float) -> None:
        """Fits it; the seconds are for others."""
        from tfflows.sklearn import FlowDensity

        self.density = FlowDensity(random_state=0).fit(x)

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Log-densities in nats."""
        return self.density.score_samples(x)

    def sample(self, number: int) -> np.ndarray:
        """Draws."""
        return self.density.sample(number)


class MixtureContestant(FlowDensityContestant):
    """GaussianMixture: components by validation, then all rows."""

    def fit(self, x: np.ndarray, seconds: float) -> None:
        """Fits it."""
        from sklearn.mixture import GaussianMixture

        rows, held_out = _split(x)
        best, size, waited = -math.inf, 1, 0
        for number in SIZES:
            if number > len(rows) or waited >= _PATIENCE:
                break
            mixture = GaussianMixture(number, random_state=0).fit(rows)
            score = mixture.score(held_out)
            waited = waited + 1
            if score > best:
                best, size, waited = score, number, 0
        self.density = GaussianMixture(size, random_state=0).fit(x)

    def sample(self, number: int) -> np.ndarray:
        """Draws."""
        return self.density.sample(number)[0]


class KernelContestant(FlowDensityContestant):
    """KernelDensity: bandwidth by cross-validation, of at most 10,000 rows."""

    def fit(self, x: np.ndarray, seconds: float) -> None:
        """Fits it."""
        from sklearn.model_selection import GridSearchCV
        from sklearn.neighbors import KernelDensity

        search = GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS}, cv=5)
        order = np.random.default_rng(0).permutation(len(x))
        search.fit(x[order[:_CV_ROWS]])
        self.density = KernelDensity(**search.best_params_).fit(x)


class ZukoContestant:
    """A flow of zuko, early stopping, the rate of its own examples, a time limit."""

    def __init__(self, make: Callable[[Any, int], Any]) -> None:
        self.make = make

    def fit(self, x: np.ndarray, seconds: float) -> None:
        """Fits it, for so long at most."""
        import torch
        import zuko

        torch.manual_seed(0)
        rows, held_out = (torch.tensor(p, dtype=torch.float32) for p in _split(x))
        self.flow = self.make(zuko.flows, x.shape[1])
        optimizer = torch.optim.Adam(self.flow.parameters(), 1e-3)
        end, best, waited, kept = time.process_time() + seconds, math.inf, 0, None
        while waited < 30 and time.process_time() < end:
            for batch in torch.randperm(len(rows)).split(256):
                loss = -self.flow().log_prob(rows[batch]).mean()
                optimizer.zero_grad()
                if torch.isfinite(loss):
                    loss.backward()
                    torch.nn.utils.clip_grad_norm_(self.flow.parameters(), 5.0)
                    optimizer.step()
            with torch.no_grad():
                score = float(-self.flow().log_prob(held_out).mean())
            waited += 1
            if score < best:
                best, waited = score, 0
                kept = {k: v.clone() for k, v in self.flow.state_dict().items()}
        if kept is not None:
            self.flow.load_state_dict(kept)

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Log-densities in nats."""
        import torch

        with torch.no_grad():
            return self.flow().log_prob(torch.tensor(x, dtype=torch.float32)).numpy()

    def sample(self, number: int) -> np.ndarray:
        """Draws."""
        import torch

        with torch.no_grad():
            return self.flow().sample((number,)).numpy()


def _nsf(flows: Any, size: int) -> Any:
    return flows.NSF(size, transforms=5, hidden_features=(64, 64))


def _maf(flows: Any, size: int) -> Any:
    return flows.MAF(size, transforms=5, hidden_features=(64, 64))


# By name: the environment, and what makes it.
CONTESTANTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "FlowDensity": ("own", FlowDensityContestant),
    "GaussianMixture": ("own", MixtureContestant),
    "KernelDensity": ("own", KernelContestant),
    "zuko NSF": ("peers", lambda: ZukoContestant(_nsf)),
    "zuko MAF": ("peers", lambda: ZukoContestant(_maf)),
}
