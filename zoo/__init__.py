"""Registry of models, typed configurations, training, and the command-line programs.

For example::

    model = tfflows.zoo.create("realnvp_digits", weights="pretrained")
    model = tfflows.zoo.create("realnvp_table", event_shape=(5,), num_couplings=4)
    model = tfflows.zoo.load("runs/mine")

The last one names the folder of a training run of `tfflows-train`.
"""

if __name__ != "tfflows.zoo":
    raise ImportError(
        f"expected this package to be imported as tfflows.zoo, got {__name__}: "
        "a second copy would have a registry of its own; use 'import tfflows.zoo'"
    )

from tfflows.zoo import experiments
from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.factory import create, load
from tfflows.zoo.model_config import (
    IAFConfig,
    MAFConfig,
    NICEConfig,
    NSFConfig,
    RealNVPConfig,
)
from tfflows.zoo.overrides import override
from tfflows.zoo.registry import (
    ModelInfo,
    describe,
    get_config,
    list_models,
    register,
)

__all__ = [
    "ConfigError",
    "DataConfig",
    "ExperimentConfig",
    "IAFConfig",
    "MAFConfig",
    "ModelConfig",
    "ModelInfo",
    "NICEConfig",
    "NSFConfig",
    "RealNVPConfig",
    "TrainerConfig",
    "create",
    "describe",
    "experiments",
    "get_config",
    "list_models",
    "load",
    "override",
    "register",
]
