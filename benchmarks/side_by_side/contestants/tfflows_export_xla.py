"""An exported tfflows model that XLA compiles, where that is the faster way."""

from __future__ import annotations

import functools

from side_by_side.contestants.tfflows_export import ExportContestant, versions

__all__ = ["CONTESTANTS", "versions"]

CONTESTANTS = dict.fromkeys(
    ("realnvp", "glow", "maf", "planar_vae"),
    functools.partial(ExportContestant, xla=True),
)
