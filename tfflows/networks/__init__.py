"""Conditioners: plain Keras layers, with no log-det of their own."""

from tfflows.networks.conv_resnet import ConvResNet
from tfflows.networks.convnet import ConvNet
from tfflows.networks.gated_conv import GatedConv
from tfflows.networks.made import MADE
from tfflows.networks.mlp import MLP
from tfflows.networks.resnet import ResNet

__all__ = ["MADE", "MLP", "ConvNet", "ConvResNet", "GatedConv", "ResNet"]
