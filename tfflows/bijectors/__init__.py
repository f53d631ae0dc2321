"""Flow steps: Keras layers that are TFP bijectors, one per file."""

from tfflows.bijectors.actnorm import ActNorm
from tfflows.bijectors.chain import Chain
from tfflows.bijectors.coupling import AdditiveCoupling, AffineCoupling, Coupling
from tfflows.bijectors.errors import InverseNotAvailable
from tfflows.bijectors.flatten import Flatten
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.invert import Invert
from tfflows.bijectors.laws import AdditiveLaw, AffineLaw, CouplingLaw
from tfflows.bijectors.logit import Logit
from tfflows.bijectors.permute import Permute
from tfflows.bijectors.rescale import Rescale
from tfflows.bijectors.scale import Scale
from tfflows.bijectors.standardize import Standardize
from tfflows.bijectors.tfp_step import TFPStep

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AdditiveLaw",
    "AffineCoupling",
    "AffineLaw",
    "Chain",
    "Coupling",
    "CouplingLaw",
    "Flatten",
    "FlowStep",
    "InverseNotAvailable",
    "Invert",
    "Logit",
    "Permute",
    "Rescale",
    "Scale",
    "Standardize",
    "TFPStep",
]
