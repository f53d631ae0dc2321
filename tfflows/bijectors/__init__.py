"""Flow steps: Keras layers that are TFP bijectors, one per file."""

from tfflows.bijectors.actnorm import ActNorm
from tfflows.bijectors.affine_coupling import AdditiveCoupling, AffineCoupling
from tfflows.bijectors.batch_normalization import BatchNormalization
from tfflows.bijectors.bounded import Bounded
from tfflows.bijectors.chain import Chain
from tfflows.bijectors.circular_spline import (
    CircularSplineAutoregressive,
    CircularSplineCoupling,
)
from tfflows.bijectors.class_affine import ClassAffine
from tfflows.bijectors.continuous_flow import ContinuousFlow
from tfflows.bijectors.coupling import Coupling
from tfflows.bijectors.errors import InverseNotAvailable
from tfflows.bijectors.flatten import Flatten
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.given_first import GivenFirst
from tfflows.bijectors.invert import Invert
from tfflows.bijectors.invertible_conv import Invertible1x1Conv
from tfflows.bijectors.laws import AdditiveLaw, AffineLaw, CouplingLaw
from tfflows.bijectors.logit import Logit
from tfflows.bijectors.masked_autoregressive import (
    InverseAutoregressive,
    MaskedAutoregressive,
)
from tfflows.bijectors.mixture_logistic import (
    MixtureLogisticCoupling,
    MixtureLogisticLaw,
)
from tfflows.bijectors.multiscale import Multiscale
from tfflows.bijectors.patches import Patches
from tfflows.bijectors.permute import Permute
from tfflows.bijectors.planar import Planar
from tfflows.bijectors.radial import Radial
from tfflows.bijectors.rational_quadratic import (
    RationalQuadraticCoupling,
    RationalQuadraticLaw,
)
from tfflows.bijectors.recomputed_chain import RecomputedChain
from tfflows.bijectors.repeated import Repeated
from tfflows.bijectors.rescale import Rescale
from tfflows.bijectors.residual import Residual
from tfflows.bijectors.scale import Scale
from tfflows.bijectors.squeeze import Squeeze
from tfflows.bijectors.standardize import Standardize
from tfflows.bijectors.sylvester import Sylvester
from tfflows.bijectors.sylvester_householder import HouseholderSylvester
from tfflows.bijectors.sylvester_orthogonal import OrthogonalSylvester
from tfflows.bijectors.sylvester_triangular import TriangularSylvester
from tfflows.bijectors.tfp_step import TFPStep
from tfflows.bijectors.transformer_autoregressive import TransformerAutoregressive

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AdditiveLaw",
    "AffineCoupling",
    "AffineLaw",
    "BatchNormalization",
    "Bounded",
    "Chain",
    "CircularSplineAutoregressive",
    "CircularSplineCoupling",
    "ClassAffine",
    "ContinuousFlow",
    "Coupling",
    "CouplingLaw",
    "Flatten",
    "FlowStep",
    "GivenFirst",
    "HouseholderSylvester",
    "InverseAutoregressive",
    "InverseNotAvailable",
    "Invert",
    "Invertible1x1Conv",
    "Logit",
    "MaskedAutoregressive",
    "MixtureLogisticCoupling",
    "MixtureLogisticLaw",
    "Multiscale",
    "OrthogonalSylvester",
    "Patches",
    "Permute",
    "Planar",
    "Radial",
    "RationalQuadraticCoupling",
    "RationalQuadraticLaw",
    "RecomputedChain",
    "Repeated",
    "Rescale",
    "Residual",
    "Scale",
    "Squeeze",
    "Standardize",
    "Sylvester",
    "TFPStep",
    "TransformerAutoregressive",
    "TriangularSylvester",
]
