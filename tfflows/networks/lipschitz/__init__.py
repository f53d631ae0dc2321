"""Networks with a bounded Lipschitz constant, for residual flows."""

from tfflows.networks.lipschitz.convnet import LipschitzConvNet
from tfflows.networks.lipschitz.mlp import LipschitzMLP

__all__ = ["LipschitzConvNet", "LipschitzMLP"]
