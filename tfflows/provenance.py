"""Where a model comes from: told by the zoo, written by exports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a model comes from: what it cannot say of itself. All of it is optional.

    Attributes:
      model: Name of the model, for example that of its registered experiment.
      training_data: Name of the data that it was trained on.
      data_licence: Under which terms these data are.
      columns: Names of their columns, if they are a table with names.
      metrics: What an evaluation of the model gave, by name.
      commands: The commands that made the model and the metrics, by name.
      config: The experiment's configuration.
    """

    model: str | None = None
    training_data: str | None = None
    data_licence: str | None = None
    columns: tuple[str, ...] | None = None
    metrics: Mapping[str, Any] | None = None
    commands: Mapping[str, str] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] | None = None
