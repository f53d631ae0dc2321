"""The registry of models, typed configurations, training, and the programs.

For example::

    model = tfflows.zoo.create("realnvp_digits", weights="pretrained")
    model = tfflows.zoo.create("realnvp_table", event_shape=(5,), num_couplings=4)
    model = tfflows.zoo.load("runs/mine")

The last line loads the model of a training run of `tfflows-train`.
"""

if __name__ != "tfflows.zoo":
    raise ImportError(
        f"expected this package to be imported as tfflows.zoo, got {__name__}: "
        "a second copy would have a registry of its own; use 'import tfflows.zoo'"
    )

import importlib
from typing import TYPE_CHECKING, Any

from tfflows.zoo import experiments
from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.overrides import override
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import (
    ModelInfo,
    describe,
    get_config,
    list_models,
    register,
)

if TYPE_CHECKING:
    from tfflows.zoo.factory import create, load

# These need TensorFlow; a program that lists names or reads flags does not.
_LAZY = ("create", "load")
# Version 0.1.0 had a class for each of these families.
_FAMILIES = {
    "IAFConfig": "iaf",
    "MAFConfig": "maf",
    "NICEConfig": "nice",
    "NSFConfig": "nsf",
    "RealNVPConfig": "realnvp",
}

__all__ = [
    "ConfigError",
    "DataConfig",
    "ExperimentConfig",
    "ModelConfig",
    "ModelInfo",
    "Reference",
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


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module("tfflows.zoo.factory"), name)
    if name in _FAMILIES:
        raise ImportError(  # `from ... import` drops the text of an AttributeError
            f"tfflows.zoo.{name} went with version 0.1.0; use "
            f'ModelConfig("{_FAMILIES[name]}", {{...}}), that is '
            "ModelConfig(family, arguments)"
        )
    raise AttributeError(f"module 'tfflows.zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
