"""Models: densities as `keras.Model`s, and the families that assemble them."""

from tfflows.models.flow import Flow
from tfflows.models.nice import nice
from tfflows.models.realnvp import realnvp

__all__ = ["Flow", "nice", "realnvp"]
