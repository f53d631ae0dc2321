"""Amortised inference: a simulator's posterior, with the observation as context."""

from __future__ import annotations

from tfflows.zoo.config import DataConfig, TrainerConfig
from tfflows.zoo.registry import add

# For each simulator: the sizes of its parameters and its observation.
_SIMULATORS = {"linear_gaussian": (3, 4), "sbi_two_moons": (2, 2)}

for _name, (_theta_dim, _observation_dim) in _SIMULATORS.items():
    _data = DataConfig(name=_name, event_shape=(_theta_dim,), label_as_context=True)
    add(
        f"realnvp_{_name}",
        "realnvp",
        num_couplings=6,
        hidden_units=(64, 64),
        standardize=True,
        context_dim=_observation_dim,
        data=_data,
        trainer=TrainerConfig(
            epochs=30, batch_size=512, learning_rate=2e-3, clip_norm=5.0
        ),
        description=f"RealNVP, the posterior of the simulator {_name}",
    )
    add(
        f"nsf_{_name}",
        "nsf",
        num_steps=4,
        hidden_units=(64, 64),
        standardize=True,
        context_dim=_observation_dim,
        data=_data,
        trainer=TrainerConfig(
            epochs=100, batch_size=512, learning_rate=2e-3, clip_norm=5.0
        ),
        description="neural spline flow of couplings, the posterior of the simulator "
        f"{_name}",
    )
