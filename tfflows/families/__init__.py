"""The families of models: builders, most in a file of their own.

The table names builders without importing them, because programs read it before their
flags. TensorFlow is imported with the first builder.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# Each family's "module:function", or the function itself. Add new families here.
BUILDERS: dict[str, str | Callable[..., Any]] = {
    "ffjord": "tfflows.families.continuous:ffjord",
    "flow_matching": "tfflows.families.continuous:flow_matching",
    "density_stack": "tfflows.families.density_stack:density_stack",
    "flowpp": "tfflows.families.flowpp:flowpp",
    "flowprior_vae": "tfflows.families.vae:flowprior_vae",
    "glow": "tfflows.families.glow:glow",
    "glow_dense": "tfflows.families.glow_dense:glow_dense",
    "iaf": "tfflows.families.maf:iaf",
    "iaf_vae": "tfflows.families.vae:iaf_vae",
    "maf": "tfflows.families.maf:maf",
    "nice": "tfflows.families.nice:nice",
    "nsf": "tfflows.families.nsf:nsf",
    "nsf_multiscale": "tfflows.families.nsf_multiscale:nsf_multiscale",
    "planar_vae": "tfflows.families.vae:planar_vae",
    "realnvp": "tfflows.families.realnvp:realnvp",
    "realnvp_multiscale": "tfflows.families.realnvp_multiscale:realnvp_multiscale",
    "realnvp_vae": "tfflows.families.vae:realnvp_vae",
    "residual_flow": "tfflows.families.residual_flow:residual_flow",
    "sylvester_vae": "tfflows.families.vae:sylvester_vae",
    "tarflow": "tfflows.families.tarflow:tarflow",
    "vae": "tfflows.families.vae:vae",
}


def builder(family: str) -> Callable[..., Any]:
    """Returns the function that builds the models of a family.

    Args:
      family: For example "realnvp".

    Raises:
      KeyError: If there is no such family.
    """
    found = BUILDERS[family]
    if isinstance(found, str):
        module, _, function = found.partition(":")
        found = getattr(importlib.import_module(module), function)
    return found
