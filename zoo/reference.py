"""Figures to compare a model with, and of what they are."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Reference:
    """A published or measured figure.

    Attributes:
      name: The figure, as `tfflows-evaluate` names it, or in words.
      value: The figure.
      unit: "nats" or "bits/dim".
      source: Who measured it and where: authors, year, arXiv number, table. If it is of
        another model or other data, it says of which.
      same_model: Whether it is of this architecture and data.
    """

    name: str
    value: float
    unit: str
    source: str
    same_model: bool = False
