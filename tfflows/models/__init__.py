"""Models: densities as `keras.Model`s. The builders of the families are here, too."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfflows.fitting.solver_errors import SolverError, solver_error
from tfflows.models.classifying_flow import ClassifyingFlow
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture
from tfflows.models.flow_vae import FlowVAE
from tfflows.models.matching import FlowMatching
from tfflows.models.reverse_kl import ReverseKL
from tfflows.models.stack import DensityStack
from tfflows.models.tarflow_model import TarFlow
from tfflows.vae.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    Likelihood,
)

if TYPE_CHECKING:
    from tfflows.families.continuous import ffjord, flow_matching
    from tfflows.families.density_stack import density_stack
    from tfflows.families.flowpp import flowpp
    from tfflows.families.glow import glow
    from tfflows.families.glow_dense import glow_dense
    from tfflows.families.maf import iaf, maf
    from tfflows.families.nice import nice
    from tfflows.families.nsf import nsf
    from tfflows.families.nsf_multiscale import nsf_multiscale
    from tfflows.families.realnvp import realnvp
    from tfflows.families.realnvp_multiscale import realnvp_multiscale
    from tfflows.families.residual_flow import residual_flow
    from tfflows.families.tarflow import tarflow
    from tfflows.families.vae import (
        flowprior_vae,
        iaf_vae,
        planar_vae,
        realnvp_vae,
        sylvester_vae,
        vae,
    )

__all__ = [
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "ClassifyingFlow",
    "DensityStack",
    "DiscretizedLogisticLikelihood",
    "Flow",
    "FlowMatching",
    "FlowMixture",
    "FlowVAE",
    "GaussianLikelihood",
    "Likelihood",
    "ReverseKL",
    "SolverError",
    "TarFlow",
    "density_stack",
    "ffjord",
    "flow_matching",
    "flowpp",
    "flowprior_vae",
    "glow",
    "glow_dense",
    "iaf",
    "iaf_vae",
    "maf",
    "nice",
    "nsf",
    "nsf_multiscale",
    "planar_vae",
    "realnvp",
    "realnvp_multiscale",
    "realnvp_vae",
    "residual_flow",
    "solver_error",
    "sylvester_vae",
    "tarflow",
    "vae",
]


def __getattr__(name: str) -> Any:
    # Builders stand above the models: imported on first use.
    families = importlib.import_module("tfflows.families")
    if name in families.BUILDERS:
        return families.builder(name)
    raise AttributeError(f"module 'tfflows.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
