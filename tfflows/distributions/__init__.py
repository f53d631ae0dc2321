"""Base distributions over latents."""

from tfflows.distributions.base import Base
from tfflows.distributions.standard import StandardLogistic, StandardNormal

__all__ = ["Base", "StandardLogistic", "StandardNormal"]
