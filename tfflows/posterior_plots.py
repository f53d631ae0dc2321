"""Pictures of `tfflows.diagnostics`: ranks, coverage, recovery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfflows import diagnostics
from tfflows.figures import Shown, tables
from tfflows.system.extras import needed

with needed("plots", "matplotlib for pictures"):
    from matplotlib.figure import Figure

_BAND = "#dddddd"


def calibration(
    ranks: Any,
    num_draws: int,
    *,
    names: Sequence[str] | None = None,
    probability: float = 0.95,
) -> Figure:
    """Distribution functions of ranks less the uniform one, in their band.

    Args:
      ranks: Of `tfflows.diagnostics.calibration_ranks`, `[observations, parameters]`.
      num_draws: The largest rank that is possible.
      names: Of the parameters; None: x0, x1, ...
      probability: With which a right posterior's curve stays in the band.

    Raises:
      ValueError: For ranks out of range.
    """
    ranks, _, labels = tables(ranks, None, names)
    if np.any((ranks < 0) | (ranks > num_draws)):
        raise ValueError(
            f"expected ranks from 0 to num_draws={num_draws}, got from "
            f"{ranks.min():g} to {ranks.max():g}"
        )
    points, low, high = diagnostics.ecdf_bands(len(ranks), num_draws, probability)
    figure = Shown(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.fill_between(points, low - points, high - points, color=_BAND, step="mid")
    for k, name in enumerate(labels):
        counts = np.bincount(ranks[:, k].astype(int), minlength=num_draws + 1)
        axes.plot(points, np.cumsum(counts) / len(ranks) - points, label=name)
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set(xlabel="rank, as a share", ylabel="share of ranks up to it, less its own")
    axes.legend()
    return figure


def coverage(draws: Any, truths: Any, *, names: Sequence[str] | None = None) -> Figure:
    """How often central intervals of the draws hold the truth, for each level.

    Args:
      draws: `[observations, draws, parameters]`.
      truths: `[observations, parameters]`.
      names: Of the parameters; None: x0, x1, ...

    Raises:
      ValueError: For arrays that do not fit each other.
    """
    levels = np.linspace(0.05, 0.95, 19)
    shares = diagnostics.coverage(draws, truths, levels.tolist())  # [levels, D]
    _, _, labels = tables(truths, None, names)
    # Of a right posterior, 19 of 20 shares at a level.
    margin = 1.96 * np.sqrt(levels * (1 - levels) / len(np.asarray(truths)))
    figure = Shown(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.fill_between(levels, levels - margin, levels + margin, color=_BAND)
    for k, name in enumerate(labels):
        axes.plot(levels, shares[:, k], label=name)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.5)
    axes.set(xlabel="level of the intervals", ylabel="share that holds the truth")
    axes.legend()
    return figure


def recovery(draws: Any, truths: Any, *, names: Sequence[str] | None = None) -> Figure:
    """Posterior means against truths, with a bar of one deviation to each side.

    Args:
      draws: `[observations, draws, parameters]`.
      truths: `[observations, parameters]`, which vary.
      names: Of the parameters; None: x0, x1, ...

    Raises:
      ValueError: For arrays that do not fit each other, or truths that do not vary.
    """
    found = diagnostics.recovery(draws, truths)
    truths, _, labels = tables(truths, None, names)
    figure = Shown(figsize=(3.2 * len(labels), 3.2), layout="constrained")
    for k, name in enumerate(labels):
        axes = figure.add_subplot(1, len(labels), k + 1)
        mean, deviation = found.mean[:, k], found.deviation[:, k]
        axes.errorbar(truths[:, k], mean, deviation, fmt=".", alpha=0.5, elinewidth=0.5)
        ends = [truths[:, k].min(), truths[:, k].max()]
        axes.plot(ends, ends, color="black", linewidth=0.5)
        title = f"{name}: correlation {found.correlation[k]:.2f}"
        axes.set(title=title, xlabel="truth", ylabel="posterior mean")
    return figure
