"""Which flows are fitted to a table, and for how long: rows and columns decide."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from tfflows.families import builder
from tfflows.models import Flow
from tfflows.training.fixed_budget import Budget
from tfflows.training.held_out import MIN_STEPS

# Below, a flow is worse than a mixture before it has learnt anything.
LEAST_ROWS = 500
_TWO_FLOWS_ROWS = 2000
_STEPS, _LEAST_STEPS, _MOST_STEPS = 3000, 800, 6000
_ROWS = 10_000
_LEARNING_RATE = 3e-3
# Of this many rounds in a training `patience` may pass without improvement.
_ROUNDS = 40

# Each takes the event's shape and a number of layers.
FAMILIES: dict[str, Callable[..., Flow]] = {
    "realnvp": lambda shape, layers, **kwargs: builder("realnvp")(
        shape, num_couplings=layers, **kwargs
    ),
    "maf": lambda shape, layers, **kwargs: builder("maf")(
        shape, num_steps=layers, normalization="actnorm", **kwargs
    ),
    "nsf": lambda shape, layers, **kwargs: builder("nsf")(
        shape, num_steps=layers, **kwargs
    ),
    "nsf_ar": lambda shape, layers, **kwargs: builder("nsf")(
        shape, num_steps=layers, structure="autoregressive", **kwargs
    ),
}


@dataclasses.dataclass(frozen=True)
class FlowPlan:
    """One flow that is fitted.

    Attributes:
      family: Of `FAMILIES`, or a function of the number of columns.
      num_layers: Number of couplings or autoregressive steps.
      hidden_units: Widths of each layer's network.
      budget: Its training.
      arguments: More arguments of the family's builder.
    """

    family: str | Callable[[int], Flow]
    num_layers: int
    hidden_units: tuple[int, ...]
    budget: Budget
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a report calls it."""
        if callable(self.family):
            return getattr(self.family, "__name__", "flow")
        units = " x ".join(map(str, self.hidden_units))
        more = [f"{k} {v:g}" for k, v in self.arguments.items()]
        if self.budget.noise:
            more.append(f"noise {self.budget.noise:g}")
        return ", ".join([f"{self.family} of {self.num_layers} x {units}", *more])

    def new_flow(self, columns: int, levels: int | None, dtype: str) -> Flow:
        """A fresh flow over rows of so many columns."""
        if callable(self.family):
            return self.family(columns)
        return FAMILIES[self.family](
            (columns,),
            self.num_layers,
            hidden_units=self.hidden_units,
            levels=levels,
            standardize=levels is None,
            dtype=dtype,
            **self.arguments,
        )


def steps_for(rows: int) -> int:
    """Steps of a training: they grow as the root of the rows."""
    steps = round(_STEPS * math.sqrt(rows / _ROWS))
    return min(max(steps, _LEAST_STEPS), _MOST_STEPS)


def plans_for(
    family: str | Callable[[int], Flow],
    rows: int,
    *,
    num_layers: int | None,
    hidden_units: Sequence[int] | None,
    learning_rate: float | None,
    weight_decay: float,
    batch_size: int,
    max_epochs: int,
    patience: int,
) -> list[FlowPlan]:
    """The flows to fit; what is given is kept.

    Args:
      family: That of `FlowDensity`; "auto": to few rows none, to some one spline flow,
        to many two that differ.
      rows: Number of training rows.
      num_layers: None: by the plan.
      hidden_units: None: by the plan.
      learning_rate: None: by the plan.
      weight_decay: That of all.
      batch_size: That of all.
      max_epochs: Passes over the rows at most; of few rows, several count as one.
      patience: Of 40 rounds of a training, those without improvement that end it.
    """
    steps = min(steps_for(rows), max_epochs * max(MIN_STEPS, rows // batch_size))
    budget = Budget(
        steps=steps,
        learning_rate=learning_rate or _LEARNING_RATE,
        batch_size=batch_size,
        weight_decay=weight_decay,
        patience=patience,
        least_round=-(-steps // _ROUNDS),
    )

    def flow(
        name: Any, layers: int, units: Sequence[int], noise: float = 0.0, **more: Any
    ) -> FlowPlan:
        return FlowPlan(
            name,
            num_layers or layers,
            tuple(hidden_units or units),
            dataclasses.replace(budget, noise=noise),
            more,
        )

    if family != "auto":
        return [flow(family, 6, (64, 64))]
    if rows < LEAST_ROWS:
        return []
    wide = flow("nsf_ar", 4, (128, 128), num_bins=16, bound=5.0)
    return [wide] if rows < _TWO_FLOWS_ROWS else [wide, flow("nsf_ar", 6, (64, 64))]
