"""How `FlowDensity` comes by its model: one flow, or a stack of densities."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tfflows.backend.initializer_seeds import seeded_initializers
from tfflows.models import Flow, FlowMixture
from tfflows.sklearn import mixtures
from tfflows.sklearn.mixed_table import MixedTable
from tfflows.sklearn.mixtures import Candidate, Folds
from tfflows.sklearn.plan import FlowPlan
from tfflows.sklearn.stacking import finite, mixed, robust_score, stack_weights
from tfflows.sklearn.table import Prepared, Table
from tfflows.sklearn.warped.warps import Warp
from tfflows.training.fixed_budget import Trained, fit_for_steps

# Without flows all rows are held out in turn, in so many parts.
_FOLDS = 5
# A density of less weight is left out of a stack.
_LEAST_WEIGHT = 0.02
# More mixtures would be slow to score, and gain nothing.
_MOST_MIXTURES = 6
# Share of the time that mixtures may take where flows follow.
_MIXTURES_TIME = 0.3


@dataclasses.dataclass
class Fitted:
    """A fitted model.

    Attributes:
      model: A `Flow` or a `FlowMixture`.
      rounds: Of the training of all flows.
      score: Mean log-density of the rows held out, in nats.
      report: What was tried, chosen and cut.
    """

    model: Any
    rounds: int
    score: float
    report: dict[str, Any]


@dataclasses.dataclass
class _Clock:
    """When what has to be over; never without a limit."""

    end: float | None

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.end is not None and time.monotonic() > self.end

    def share(self, share: float) -> float | None:
        """The time at which this share of what is left is over."""
        if self.end is None:
            return None
        now = time.monotonic()
        return now + share * max(0.0, self.end - now)


def fit_flow(
    table: Table, plan: FlowPlan, fraction: float, seed: int, **training: Any
) -> Fitted:
    """Fits one flow.

    Args:
      table: The rows.
      plan: The flow and its training.
      fraction: Share of the rows that is held out.
      seed: Of everything.
      **training: `max_seconds` and `verbose`.

    Raises:
      ValueError: The training diverges.
    """
    rng = np.random.default_rng(seed)
    held_out = _held_out(len(table.x), fraction, rng)
    clock = _clock(training.pop("max_seconds"))
    flow, trained = _trained(table, plan, held_out, clock.share(1.0), rng, **training)
    weight = table.weight[held_out]
    score = float(np.average(trained.log_densities, weights=weight))
    tried = [_flow_entry(plan, trained, 1.0)]
    model: Any = flow
    if isinstance(table, MixedTable):  # which carries the names of categories
        model = FlowMixture([flow], name="flow_density", columns=table.columns)
    report = _report(table, held_out, tried, [plan.name], trained.cut)
    return Fitted(model, len(trained.scores), score, report)


def fit_stack(
    table: Table,
    plans: Sequence[FlowPlan],
    fraction: float,
    seed: int,
    *,
    max_seconds: float | None,
    verbose: int,
) -> Fitted:
    """Fits Gaussian mixtures and flows, and weighs them by rows that none has seen.

    The mixtures are then fitted to all rows, from where they are, and joined to one. A
    Student t of little weight bounds what far rows can cost.

    Args:
      table: The rows.
      plans: The flows; none: all rows are held out in turn.
      fraction: Share of the rows that is held out from flows.
      seed: Of everything.
      max_seconds: What is not begun or done by then is left out; None: no limit.
      verbose: As in `keras.Model.fit`.
    """
    rng, clock = np.random.default_rng(seed), _clock(max_seconds)
    rows = len(table.x)
    if plans:
        held_out = [_held_out(rows, fraction, rng)]
    else:
        held_out = np.array_split(rng.permutation(rows), min(_FOLDS, rows))
    prepared = table.prepared(rng)
    limit = clock.share(_MIXTURES_TIME if plans else 1.0)
    folds = prepared.folds(table.weight, held_out, limit)
    # Threads would wait for each other longer than such products take.
    with threadpool_limits(1):
        tried = list(mixtures.search(folds, int(rng.integers(2**31)), limit))
    seen = np.concatenate(held_out)
    volume = prepared.volume
    columns = [candidate.log_densities - volume for candidate in tried]

    best = max(tried, key=lambda candidate: candidate.score)
    warp = best.folds.parts[0].warp
    trainings = _trainings(table, plans, held_out[0], clock, rng, verbose, warp)
    flows = [flow for _, flow, _ in trainings if flow is not None]
    columns += [one.log_densities for _, _, one in trainings if one is not None]
    columns.append(prepared.far[seen] - volume)

    weight = table.weight[seen]
    log_p = finite(np.stack(columns, axis=1))
    weights, score = _weighed(log_p, weight, len(tried), len(seen) / rows)
    model = _stack(table, prepared, folds, tried, flows, weights, clock.end)
    entries: list[dict[str, Any]] = [
        {"name": one.name, "score": one.score - volume, "weight": float(share)}
        for one, share in zip(tried, weights, strict=False)
    ]
    shares = iter(weights[len(tried) :])
    for plan, _, training in trainings:
        share = 0.0 if training is None else float(next(shares))
        entries.append(_flow_entry(plan, training, share))
    chosen = [entry["name"] for entry in entries if entry["weight"] > 0]
    cut = clock.is_over or any(one is None or one.cut for _, _, one in trainings)
    rounds = sum(len(one.scores) for _, _, one in trainings if one is not None)
    report = _report(table, seen, entries, chosen, cut)
    return Fitted(model, max(rounds, 1), score, report)


def _trainings(
    table: Table,
    plans: Sequence[FlowPlan],
    held_out: np.ndarray,
    clock: _Clock,
    rng: np.random.Generator,
    verbose: int,
    warp: Warp | None,
) -> list[tuple[FlowPlan, Flow | None, Trained | None]]:
    """The flows that there is time for, with their plans; the first in any case."""
    found: list[tuple[FlowPlan, Flow | None, Trained | None]] = []
    for place, plan in enumerate(plans):
        if place and clock.is_over:
            found.append((plan, None, None))
            continue
        limit = clock.share(1.0 / (len(plans) - place))
        trained = _trained(table, plan, held_out, limit, rng, verbose, warp)
        found.append((plan, *trained))
    return found


def _weighed(
    log_p: np.ndarray, weight: np.ndarray, num_mixtures: int, last_count: float
) -> tuple[np.ndarray, float]:
    """Weights of densities `[N, K]`, and the score of their mixture.

    Of the first ones some stay, of the rest those of some weight, and the last.
    """
    weights = stack_weights(log_p, weight, last_count)
    kept = weights >= _LEAST_WEIGHT
    kept[np.argsort(-weights[:num_mixtures])[_MOST_MIXTURES:]] = False
    kept[np.argmax(weights)] = kept[-1] = True
    weights = np.zeros(len(kept))
    weights[kept] = stack_weights(log_p[:, kept], weight, last_count)
    return weights, float(np.average(mixed(log_p, weights), weights=weight))


def _stack(
    table: Table,
    prepared: Prepared,
    folds: Sequence[Folds],
    tried: Sequence[Candidate],
    flows: Sequence[Flow],
    weights: np.ndarray,
    deadline: float | None,
) -> FlowMixture:
    parts: list[Flow] = []
    shares: list[float] = []
    chosen = [(c, w) for c, w in zip(tried, weights, strict=False) if w > 0]
    for one in folds:
        here = [(c, w) for c, w in chosen if c.folds is one]
        if not here:
            continue
        own = [w for _, w in here]
        with threadpool_limits(1):
            space = one.whole(deadline)
            again = [mixtures.refitted(candidate, space) for candidate, _ in here]
        parts.append(space.mixture_flow(mixtures.merged(again, own)))
        shares.append(sum(own))
    for flow, share in zip(flows, weights[len(tried) :], strict=False):
        if share > 0:
            parts.append(flow)
            shares.append(share)
    parts.append(prepared.far_flow())
    shares.append(weights[-1])
    return FlowMixture(parts, shares, name="flow_density", columns=table.columns)


def _trained(
    table: Table,
    plan: FlowPlan,
    held_out: np.ndarray,
    deadline: float | None,
    rng: np.random.Generator,
    verbose: int,
    warp: Warp | None = None,
) -> tuple[Flow, Trained]:
    kept = np.ones(len(table.x), bool)
    kept[held_out] = False
    seen, weight = table.x[held_out], table.weight[held_out]
    far = table.far(held_out)

    def score(log_p: np.ndarray) -> float:
        return robust_score(log_p, far, weight)

    start = int(rng.integers(2**31))
    with seeded_initializers(start):
        flow = table.new_flow(plan, start, warp)
    trained = fit_for_steps(
        flow,
        table.exact[kept],
        table.weight[kept],
        seen,
        score,
        dataclasses.replace(plan.budget, deadline=deadline),
        seed=int(rng.integers(2**31)),
        verbose=verbose,
        steps=table.steps,
    )
    return flow, trained


def _held_out(rows: int, fraction: float, rng: np.random.Generator) -> np.ndarray:
    count = min(max(1, round(fraction * rows)), rows - 1)
    return rng.permutation(rows)[:count]


def _clock(max_seconds: float | None) -> _Clock:
    return _Clock(None if max_seconds is None else time.monotonic() + max_seconds)


def _flow_entry(plan: FlowPlan, trained: Trained | None, weight: float) -> dict:
    entry = {"name": plan.name, "weight": weight, "steps": plan.budget.steps}
    if trained is None:
        return {**entry, "score": None}
    entry["learning_rate"] = plan.budget.learning_rate
    entry["weight_decay"] = plan.budget.weight_decay
    return {**entry, "score": trained.score, "rounds": len(trained.scores)}


def _report(
    table: Table,
    held_out: np.ndarray,
    tried: list[dict],
    chosen: list[str],
    cut: bool,
) -> dict[str, Any]:
    rows, columns = table.x.shape
    return {
        "rows": rows,
        "columns": columns,
        "rows_held_out": len(held_out),
        "tried": tried,
        "chosen": chosen,
        "cut": cut,
    }
