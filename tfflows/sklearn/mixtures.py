"""The Gaussian mixtures that explain held-out rows best, as one flow."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfflows.sklearn.expectation import fit_mixture
from tfflows.sklearn.stacking import finite, robust_score
from tfflows.sklearn.warped.spaces import Space, SpaceMaker

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100)
# Numbers of components in a row that are no better until larger ones are left out.
_PATIENCE = 2
# What a step of EM may cost, in products: rows * components * columns^2.
_MOST_PRODUCTS = 5e8
_LEAST_ROWS_EACH = 5
_STARTS = 3
_NEAR_NATS = 2.0
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
        of = "of warped columns, " if self.folds.parts[0].warp is not None else ""
        return f"mixture of {self.num_components}, {of}prior of {self.strength:g} rows"


@dataclasses.dataclass(frozen=True)
class Folds:
    """Rows, and which of them are held out in turn.

    Attributes:
      space: Makes coordinates of the rows, of deviations about 1, from some of them.
      weight: `[N]`, above 0.
      held_out: Indices of the rows of each fold.
      far: Log-densities of all rows under a density with heavy tails.
      fit: What fits a mixture to such rows, as `fit_mixture`.
      deadline: That of `space`.
    """

    space: SpaceMaker
    weight: np.ndarray
    held_out: Sequence[np.ndarray]
    far: np.ndarray
    fit: Callable[..., Any] = fit_mixture
    deadline: float | None = None

    @functools.cached_property
    def parts(self) -> list[Space]:
        """All rows in the coordinates that the rows without each fold decide.

        With coordinates that held-out rows have decided, these look too likely.
        """
        return [self.space(kept, self.deadline) for kept in self._kept()]

    def whole(self, deadline: float | None = None) -> Space:
        """All rows in the coordinates that they decide, those of `parts` if late."""
        space = self.space(np.ones(len(self.weight), bool), deadline)
        return self.parts[0] if _is_over(deadline) else space

    def _kept(self) -> list[np.ndarray]:
        kept = np.ones((len(self.held_out), len(self.weight)), bool)
        for mask, rows in zip(kept, self.held_out, strict=True):
            mask[rows] = False
        return list(kept)

    def tried(
        self, size: int, strength: float, seed: int, deadline: float | None
    ) -> Candidate:
        """Fits a mixture to the rows without each fold."""
        fits, log_densities = [], []
        for rows, kept, space in zip(
            self.held_out, self._kept(), self.parts, strict=True
        ):
            fits.append(
                self.fit(
                    space.rows[kept],
                    self.weight[kept],
                    size,
                    strength,
                    seed=seed,
                    deadline=deadline,
                )
            )
            log_p = fits[-1].log_densities(space.rows[rows])
            if space.log_slopes is not None:
                log_p = log_p + space.log_slopes[rows]
            log_densities.append(log_p)
        log_p = finite(np.concatenate(log_densities))
        rows = np.concatenate(self.held_out)
        score = robust_score(log_p, self.far[rows], self.weight[rows])
        return Candidate(self, size, strength, seed, tuple(fits), log_p, score)

    def sizes(self) -> list[int]:
        """The numbers of components that the rows can bear."""
        rows, columns = self.parts[0].rows.shape
        most = min(rows // _LEAST_ROWS_EACH, _MOST_PRODUCTS / (rows * columns**2))
        return [size for size in SIZES if size <= max(1, most)]


def search(
    spaces: Sequence[Folds], seed: int, deadline: float | None = None
) -> Iterator[Candidate]:
    """Tries mixtures: sizes, then strengths of the prior, then other starts.

    Sizes in each of the spaces, the rest in the best and others about as good.

    Args:
      spaces: The rows, in other coordinates each.
      seed: Of the starts.
      deadline: `time.monotonic()` after which none is begun but the first; None: never.

    Yields:
      What was tried.
    """
    bests: list[Candidate] = []
    for folds in spaces:
        if bests and _is_over(deadline):
            return
        sizes = folds.sizes()  # makes the coordinates, which takes time
        if bests and _is_over(deadline):
            return
        if bests:
            most = 2 * bests[0].num_components
            sizes = [size for size in sizes if size <= most]
        best = None
        for candidate in _ladder(folds, sizes, 1.0, seed, deadline):
            yield candidate
            best = _better(best, candidate)
        bests += [best] if best else []
    highest = max(best.score for best in bests)
    # Of spaces that are nearly as good both join the stack.
    near = [best for best in bests if best.score > highest - _NEAR_NATS]
    for best in sorted(near, key=lambda best: -best.score):
        yield from _varied(best, seed, deadline)


def _varied(first: Candidate, seed: int, deadline: float | None) -> Iterator[Candidate]:
    """Other strengths of the prior around a candidate's size, then other starts."""
    best, folds = first, first.folds
    for strength in (0.0, folds.parts[0].rows.shape[1] + 2.0):
        if _is_over(deadline):
            return
        sizes = folds.sizes()
        place = sizes.index(best.num_components)
        around = sizes[max(0, place - 1) : place + 2]
        for candidate in _ladder(folds, around, strength, seed, deadline):
            yield candidate
            best = _better(best, candidate)
    for number in range(1, _STARTS):
        if best.num_components == 1 or _is_over(deadline):
            return
        yield folds.tried(best.num_components, best.strength, seed + number, deadline)


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


def refitted(candidate: Candidate, space: Space) -> Any:
    """The candidate on all rows in these coordinates, from its first fit on."""
    folds = candidate.folds
    return folds.fit(
        space.rows,
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
