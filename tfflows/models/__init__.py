"""Models: densities as `keras.Model`s, and the families that assemble them."""

from tfflows.models.classifying_flow import ClassifyingFlow
from tfflows.models.flow import Flow
from tfflows.models.flow_vae import FlowVAE
from tfflows.models.glow import glow
from tfflows.models.glow_dense import glow_dense
from tfflows.models.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    Likelihood,
)
from tfflows.models.maf import iaf, maf
from tfflows.models.nice import nice
from tfflows.models.nsf import nsf
from tfflows.models.realnvp import realnvp
from tfflows.models.realnvp_multiscale import realnvp_multiscale
from tfflows.models.reverse_kl import ReverseKL
from tfflows.models.vae import vae

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
