"""Conditioners: plain Keras layers, with no log-det of their own."""

from tfflows.networks.mlp import MLP
from tfflows.networks.resnet import ResNet

__all__ = ["MLP", "ResNet"]
