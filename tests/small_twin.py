"""Registered models made small, but large enough for two repeats of their steps."""

from __future__ import annotations

import keras

from tfflows import zoo

SMALL = {
    "num_couplings": 4,
    "num_prior_couplings": 4,
    "couplings_per_part": (2, 1, 1),
    "num_components": 2,
    "num_layers": 2,
    "num_flows": 2,
    "num_steps": 2,
    "num_levels": 2,
    "num_blocks": 1,
    "num_columns": 4,
    "num_reflections": 2,
    "latent_dim": 4,
    "width": 8,
    "hidden_units": (8,),
    "flow_units": (8,),
}


def small_twin(name: str) -> keras.Model:
    """A registered model, made as small as its architecture allows."""
    model = zoo.get_config(name).model
    fields = (
        {"latent_dim", "hidden_units"} if model.family == "vae" else model.arguments
    )
    return zoo.create(name, **{k: v for k, v in SMALL.items() if k in fields})
