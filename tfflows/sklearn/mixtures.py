"""The Gaussian mixtures that explain held-out rows best, as one flow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfflows.bijectors import Standardize
from tfflows.distributions import GaussianMixture
from tfflows.families.warped import set_standardization, warped_flow
from tfflows.models import Flow
from tfflows.preprocessing import Dequantization
from tfflows.sklearn.expectation import Mixture, fit_mixture
from tfflows.sklearn.stacking import robust_score
from tfflows.sklearn.warps import Warp

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100)
# Numbers of components in a row that are no better until larger ones are left out.
_PATIENCE = 2
# What a step of EM may cost, in products: rows * components * columns^2.
_MOST_PRODUCTS = 5e8
_LEAST_ROWS_EACH = 5
_STARTS = 3
_REFIT_STEPS = 15


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A mixture that was tried.

    Attributes:
      folds: The rows.
      num_components: Its size.
      strength: That of the prior of its covariances, in rows.
      seed: Of its start.
      fits: The mixture fitted to each part of the rows.
      log_densities: Those `[N]` of the rows held out from each part, in order.
      score: Their mean, which far rows do not spoil.
    """

    folds: Folds
    num_components: int
    strength: float
    seed: int
    fits: tuple[Any, ...]
    log_densities: np.ndarray
    score: float

    @property
    def name(self) -> str:
        """What a report calls it."""
        of = "of warped columns, " if self.folds.log_slopes is not None else ""
        return f"mixture of {self.num_components}, {of}prior of {self.strength:g} rows"


@dataclasses.dataclass(frozen=True)
class Folds:
    """Rows, and which of them are held out in turn.

    Attributes:
      x: `[N, D]`, of deviations about 1, or `ColumnRows`.
      weight: `[N]`, above 0.
      held_out: Indices of the rows of each fold.
      far: Log-densities of all rows under a density with heavy tails.
      fit: What fits a mixture to such rows, as `fit_mixture`.
      log_slopes: What to add to log-densities of `x`, `[N]`, so that they are those of
        the rows that `far` is of; None: nothing.
    """

    x: Any
    weight: np.ndarray
    held_out: Sequence[np.ndarray]
    far: np.ndarray
    fit: Callable[..., Any] = fit_mixture
    log_slopes: np.ndarray | None = None

    def tried(
        self, size: int, strength: float, seed: int, deadline: float | None
    ) -> Candidate:
        """Fits a mixture to the rows without each fold."""
        fits, log_densities = [], []
        for rows in self.held_out:
            kept = np.ones(len(self.x), bool)
            kept[rows] = False
            fits.append(
                self.fit(
                    self.x[kept],
                    self.weight[kept],
                    size,
                    strength,
                    seed=seed,
                    deadline=deadline,
                )
            )
            log_densities.append(fits[-1].log_densities(self.x[rows]))
        rows, log_p = np.concatenate(self.held_out), np.concatenate(log_densities)
        if self.log_slopes is not None:
            log_p = log_p + self.log_slopes[rows]
        score = robust_score(log_p, self.far[rows], self.weight[rows])
        return Candidate(self, size, strength, seed, tuple(fits), log_p, score)

    def sizes(self) -> list[int]:
        """The numbers of components that the rows can bear."""
        rows, columns = self.x.shape
        most = min(rows // _LEAST_ROWS_EACH, _MOST_PRODUCTS / (rows * columns**2))
        return [size for size in SIZES if size <= max(1, most)]


def search(
    spaces: Sequence[Folds], seed: int, deadline: float | None = None
) -> Iterator[Candidate]:
    """Tries mixtures: sizes, then strengths of the prior, then other starts.

    Sizes in each of the spaces, the rest in that of the best.

    Args:
      spaces: The rows, in other coordinates each.
      seed: Of the starts.
      deadline: `time.monotonic()` after which none is begun but the first; None: never.

    Yields:
      What was tried.
    """
    best = None
    for folds in spaces:
        sizes = folds.sizes()
        if best is not None:
            if _is_over(deadline):
                return
            sizes = [size for size in sizes if size <= 2 * best.num_components]
        for candidate in _ladder(folds, sizes, 1.0, seed, deadline):
            yield candidate
            best = _better(best, candidate)
    if best is None:
        return
    for strength in (0.0, best.folds.x.shape[1] + 2.0):
        if _is_over(deadline):
            return
        sizes = best.folds.sizes()
        place = sizes.index(best.num_components)
        around = sizes[max(0, place - 1) : place + 2]
        for candidate in _ladder(best.folds, around, strength, seed, deadline):
            yield candidate
            best = _better(best, candidate)
    for number in range(1, _STARTS):
        if best.num_components == 1 or _is_over(deadline):
            return
        again = best.folds.tried
        yield again(best.num_components, best.strength, seed + number, deadline)


def _better(best: Candidate | None, other: Candidate) -> Candidate:
    return other if best is None or other.score > best.score else best


def _ladder(
    folds: Folds,
    sizes: Sequence[int],
    strength: float,
    seed: int,
    deadline: float | None,
) -> Iterator[Candidate]:
    """Tries rising sizes until some in a row are no better than one before."""
    highest, waited = -np.inf, 0
    for place, size in enumerate(sizes):
        if place and _is_over(deadline):
            return
        candidate = folds.tried(size, strength, seed, deadline)
        yield candidate
        waited = 0 if candidate.score > highest else waited + 1
        highest = max(highest, candidate.score)
        if waited >= _PATIENCE:
            return


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def place_of(candidate: Candidate, spaces: Sequence[Folds]) -> int:
    """In which of the spaces it is."""
    return next(k for k, folds in enumerate(spaces) if folds is candidate.folds)


def refitted(candidate: Candidate) -> Any:
    """The candidate on all rows, from its first fit on."""
    folds = candidate.folds
    return folds.fit(
        folds.x,
        folds.weight,
        candidate.num_components,
        candidate.strength,
        seed=candidate.seed,
        start=candidate.fits[0],
        max_steps=_REFIT_STEPS,
    )


def merged(mixtures: Sequence[Any], weights: Sequence[float]) -> Any:
    """The mixture of mixtures of one class."""
    shares = [w * m.weights for w, m in zip(weights, mixtures, strict=True)]
    shares = [share / sum(weights) for share in shares]
    return type(mixtures[0]).joined(mixtures, shares)


def as_flow(
    mixture: Mixture,
    shift: np.ndarray,
    scale: np.ndarray,
    levels: int | None,
    dtype: str,
    warp: Warp | None = None,
) -> Flow:
    """The flow whose density is that of x = shift + scale * z, z from the mixture.

    With a warp, z is what the warp makes of x.

    Args:
      mixture: Of standardised rows.
      shift: `[D]`.
      scale: `[D]`, above 0.
      levels: Those of integer data; None: real numbers.
      dtype: Of the flow.
      warp: Of raw rows; None: none.
    """
    number, size = mixture.means.shape
    base = GaussianMixture(size, number, covariance="full", dtype=dtype)
    diagonal = np.einsum("kdd->kd", mixture.factors)
    base.means.assign(mixture.means)
    base.log_scales.assign(-np.log(diagonal))
    lower: Any = base.lower
    lower.assign(np.tril(mixture.factors / diagonal[:, :, None], -1))
    base.logits.assign(np.log(mixture.weights))
    preprocessing = [] if levels is None else [Dequantization(levels, dtype=dtype)]
    step, name = Standardize(dtype=dtype), "gaussian_mixture"
    if warp is None:
        flow = Flow(step, (size,), base, preprocessing, name=name)
        set_standardization(step, shift, scale)
        return flow
    flow = warped_flow([step], (size,), base, dtype=dtype, name=f"warped_{name}")
    set_standardization(step, shift, scale)
    warp.set_in(flow)
    return flow
