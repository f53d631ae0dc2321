"""The mixtures with which the stack of `auto_table` starts."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from tfflows.bijectors import Standardize
from tfflows.data import DataSource
from tfflows.families.density_stack import MIXTURE
from tfflows.models import DensityStack, Flow
from tfflows.sklearn import mixtures
from tfflows.sklearn.expectation import fit_mixture
from tfflows.sklearn.stacking import stack_weights
from tfflows.sklearn.table import Table
from tfflows.sklearn.warped.spaces import Space
from tfflows.sklearn.warped.warps import Warp

_MOST_MIXTURES, _LEAST_WEIGHT, _FOLDS = 6, 0.02, 5
_SPLITS = ("train", "validation")


@dataclasses.dataclass(frozen=True)
class Found:
    """The mixtures that explain held-out rows best, see `find_mixtures`.

    Attributes:
      mixtures: Their flows, by name: of the columns, of warped columns.
      shares: Their weights beside a density with heavy tails.
      warp: The curves, if columns are better warped.
      spaces: Make the rows in either kind of columns, by the name of their mixture.
      seed: Of the start of other mixtures.
    """

    mixtures: dict[str, Flow]
    shares: dict[str, float]
    warp: Warp | None
    spaces: Mapping[str, Callable[[], Space]]
    seed: int

    def components(self, kind: str) -> int:
        """The number of components of the mixture of a kind, "" or "warped_"."""
        flow = self.mixtures.get(kind + MIXTURE)
        return 0 if flow is None else flow.base.distribution.means.shape[0]

    def fits(self, model: DensityStack) -> bool:
        """Whether a stack of mixtures alone has those that were found."""
        return {flow.name for flow in model.flows[:-1]} == set(self.mixtures)

    def alone(self, name: str, number: int) -> Flow:
        """A mixture of so many components."""
        with threadpool_limits(1):
            space = self.spaces[name]()
            ones = np.ones(len(space.rows))
            fit = fit_mixture(space.rows, ones, number, 1.0, seed=self.seed)
        return space.mixture_flow(fit)


def find_mixtures(source: DataSource, seed: int, alone: bool) -> Found:
    """The mixtures that explain held-out rows best, joined, and their weights.

    As `FlowDensity` looks for them: with flows besides, the validation rows are those
    held out; without, the training rows in turn, and the mixtures are then fitted to
    all of these.

    Args:
      source: The data.
      seed: Of everything.
      alone: Whether there are no flows besides.
    """
    rows = source.num_examples["train"]
    splits = _SPLITS[:1] if alone else _SPLITS
    x = np.concatenate([source.arrays(split).astype("float64") for split in splits])
    rng = np.random.default_rng(seed)
    held_out = [np.arange(rows, len(x))]
    if alone:
        held_out = np.array_split(rng.permutation(rows), min(_FOLDS, rows))
    ones, seen = np.ones(len(x)), np.concatenate(held_out)
    dtype = Standardize().flow_dtype.name
    table = Table(x, ones, None, dtype, x, np.zeros(x.shape[1]), None)
    prepared = table.prepared(rng)
    folds = prepared.folds(ones, held_out)
    with threadpool_limits(1):
        tried = list(mixtures.search(folds, seed))
        each = [*(one.log_densities for one in tried), prepared.far[seen]]
        count = len(seen) / len(x)
        *shares, last = stack_weights(np.stack(each, axis=1), ones[seen], count)
        order = np.argsort(np.negative(shares), kind="stable")[:_MOST_MIXTURES]
        kept = [k for k in order if shares[k] >= _LEAST_WEIGHT] or order[:1]
        total = sum(shares[k] for k in kept) + last
        flows, weights, spaces = {}, {}, {}
        for one, prefix in zip(folds, ("", "warped_"), strict=True):
            name = prefix + MIXTURE
            spaces[name] = functools.partial(_space, one, alone)
            here = [k for k in kept if tried[k].folds is one]
            if here:
                space, own = spaces[name](), [float(shares[k]) for k in here]
                found = [tried[k] for k in here]
                fits = [
                    mixtures.refitted(c, space) if alone else c.fits[0] for c in found
                ]
                flows[name] = space.mixture_flow(mixtures.merged(fits, own))
                weights[name] = sum(own) / total
    best = max(tried, key=lambda candidate: candidate.score)
    warp = best.folds.parts[0].warp
    return Found(flows, weights, warp, spaces, seed)


def _space(folds: mixtures.Folds, alone: bool) -> Space:
    return folds.whole() if alone else folds.parts[0]
