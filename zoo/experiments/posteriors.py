"""Amortised inference: a simulator's posterior, with the observation as context."""

from __future__ import annotations

import functools

from tfflows.data.simulators import SIMULATORS
from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.model_config import NSFConfig, RealNVPConfig
from tfflows.zoo.registry import register

_EPOCHS = {"realnvp": 30, "nsf": 100}
_TITLES = {"realnvp": "RealNVP", "nsf": "neural spline flow of couplings"}
# Trainable parameters by data and family.
_PARAMETERS = {
    "linear_gaussian": {"realnvp": 28_662, "nsf": 80_101},
    "sbi_two_moons": {"realnvp": 27_300, "nsf": 73_584},
}


def _model(family: str, context_dim: int) -> ModelConfig:
    if family == "realnvp":
        return RealNVPConfig(
            num_couplings=6,
            hidden_units=(64, 64),
            standardize=True,
            context_dim=context_dim,
        )
    return NSFConfig(
        num_steps=4,
        hidden_units=(64, 64),
        standardize=True,
        context_dim=context_dim,
    )


def _experiment(family: str, name: str) -> ExperimentConfig:
    simulator = SIMULATORS[name]
    return ExperimentConfig(
        name=f"{family}_{name}",
        model=_model(family, simulator.observation_dim),
        data=DataConfig(
            name=name, event_shape=(simulator.theta_dim,), label_as_context=True
        ),
        trainer=TrainerConfig(
            epochs=_EPOCHS[family], batch_size=512, learning_rate=2e-3, clip_norm=5.0
        ),
        description=f"{_TITLES[family]}, the posterior of the simulator {name}",
    )


for _name, _sizes in _PARAMETERS.items():
    for _family, _size in _sizes.items():
        register(f"{_family}_{_name}", parameters=_size)(
            functools.partial(_experiment, _family, _name)
        )
