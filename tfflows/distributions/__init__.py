"""Base distributions over latents."""

from tfflows.backend.tfp.copies import register_copies
from tfflows.distributions.autoregressive_codes import AutoregressiveCodes
from tfflows.distributions.base import Base
from tfflows.distributions.column_mixture import ColumnMixture
from tfflows.distributions.conditional_normal import ConditionalNormal
from tfflows.distributions.gaussian_mixture import GaussianMixture
from tfflows.distributions.standard import (
    StandardLogistic,
    StandardNormal,
    StandardStudentT,
)
from tfflows.distributions.torus import UniformTorus

register_copies()

__all__ = [
    "AutoregressiveCodes",
    "Base",
    "ColumnMixture",
    "ConditionalNormal",
    "GaussianMixture",
    "StandardLogistic",
    "StandardNormal",
    "StandardStudentT",
    "UniformTorus",
]
