"""Models: densities as `keras.Model`s. The builders of the families are here, too."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfflows.models.classifying_flow import ClassifyingFlow
from tfflows.models.flow import Flow
from tfflows.models.flow_vae import FlowVAE
from tfflows.models.reverse_kl import ReverseKL
from tfflows.vae.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    Likelihood,
)

if TYPE_CHECKING:
    from tfflows.families.glow import glow
    from tfflows.families.glow_dense import glow_dense
    from tfflows.families.maf import iaf, maf
    from tfflows.families.nice import nice
    from tfflows.families.nsf import nsf
    from tfflows.families.realnvp import realnvp
    from tfflows.families.realnvp_multiscale import realnvp_multiscale
    from tfflows.families.vae import vae

# Builders stand above the models, in tfflows.families: imported on first use.
_FAMILIES = {
    "glow": "glow",
    "glow_dense": "glow_dense",
    "iaf": "maf",
    "maf": "maf",
    "nice": "nice",
    "nsf": "nsf",
    "realnvp": "realnvp",
    "realnvp_multiscale": "realnvp_multiscale",
    "vae": "vae",
}

__all__ = [
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "ClassifyingFlow",
    "DiscretizedLogisticLikelihood",
    "Flow",
    "FlowVAE",
    "GaussianLikelihood",
    "Likelihood",
    "ReverseKL",
    "glow",
    "glow_dense",
    "iaf",
    "maf",
    "nice",
    "nsf",
    "realnvp",
    "realnvp_multiscale",
    "vae",
]


def __getattr__(name: str) -> Any:
    if name in _FAMILIES:
        module = importlib.import_module(f"tfflows.families.{_FAMILIES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'tfflows.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
