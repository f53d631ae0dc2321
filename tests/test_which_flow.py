"""The command behind the guide "Which flow?"."""

from __future__ import annotations

import pytest

pytest.importorskip("benchmarks.which_flow_rows", reason="needs the checkout")

from benchmarks.which_flow import configuration
from benchmarks.which_flow_report import tables
from benchmarks.which_flow_rows import COLUMNS, ROWS
from tfflows.data import load
from tfflows.families import BUILDERS


def test_every_cell_is_a_registered_model_of_a_known_family():
    source = load("checkerboard")
    for row in ROWS.values():
        for column in COLUMNS:
            if (cell := getattr(row, column)) is not None:
                config = configuration(cell, source)
                assert config.model.family in BUILDERS
                assert config.data.event_shape == (2,)


def test_the_tables_say_what_was_not_run():
    facts = {"data": "mnist", "family": "Glow", "parameters": 1234, "steps": 5}
    facts |= {"batch_size": 32, "figure": 1.2345, "density_ms": 0.5, "sample_ms": 2}
    text = tables({("mnist", "Glow"): {**facts, "memory_mb": None}})
    assert "| Glow | exact | 1 | 1 |  |  | not run | 1.234 |" in text
    assert "| RealNVP | exact | 1 | 1 | not run | not run | not run | not run |" in text
    assert text.endswith("| mnist | Glow | 1,234 | 5 of 32 | 0.5 | 2 |  |")
