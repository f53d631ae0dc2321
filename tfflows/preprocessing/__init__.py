"""Preprocessing of raw data, counted in the likelihood."""

from tfflows.bijectors.bounded import Bounded
from tfflows.bijectors.logit import Logit
from tfflows.bijectors.rescale import Rescale
from tfflows.bijectors.standardize import Standardize
from tfflows.preprocessing.dequantization import Dequantization
from tfflows.preprocessing.gaussian_noise import GaussianNoise
from tfflows.preprocessing.variational import VariationalDequantization

__all__ = [
    "Bounded",
    "Dequantization",
    "GaussianNoise",
    "Logit",
    "Rescale",
    "Standardize",
    "VariationalDequantization",
]
