"""Networks inside flow steps and for contexts: plain Keras layers."""

from tfflows.networks.code_features import CodeFeatures
from tfflows.networks.conv_resnet import ConvResNet
from tfflows.networks.convnet import ConvNet
from tfflows.networks.deep_set import DeepSet
from tfflows.networks.gated_attention_net import GatedAttentionNet
from tfflows.networks.gated_conv import GatedConv
from tfflows.networks.lipschitz import LipschitzConvNet, LipschitzMLP
from tfflows.networks.made import MADE
from tfflows.networks.mlp import MLP
from tfflows.networks.resnet import ResNet
from tfflows.networks.set_transformer import SetTransformer
from tfflows.networks.unet import UNet

__all__ = [
    "MADE",
    "MLP",
    "CodeFeatures",
    "ConvNet",
    "ConvResNet",
    "DeepSet",
    "GatedAttentionNet",
    "GatedConv",
    "LipschitzConvNet",
    "LipschitzMLP",
    "ResNet",
    "SetTransformer",
    "UNet",
]
