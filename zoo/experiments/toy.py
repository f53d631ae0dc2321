"""NICE and RealNVP on the 2-D toy densities."""

from __future__ import annotations

import functools
import math

from tfflows.data.toy import TOYS
from tfflows.zoo.config import DataConfig, ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.model_config import NICEConfig, RealNVPConfig
from tfflows.zoo.registry import register

# With actnorms the same training ends at more than twice the KL.
_REALNVP = RealNVPConfig(num_couplings=10, hidden_units=(64, 64), actnorm=False)
_NICE = NICEConfig(num_couplings=8, hidden_units=(64, 64))
TOY_TRAINER = TrainerConfig(
    epochs=60, batch_size=512, learning_rate=5e-3, clip_norm=5.0
)
# No model gets below the entropy; "kl" of tfflows-evaluate is the distance to it.
TOY_REFERENCE = {"checkerboard": {"entropy in nats": math.log(32)}}


def _experiment(toy: str, model: ModelConfig) -> ExperimentConfig:
    title = "RealNVP" if model is _REALNVP else "NICE"
    return ExperimentConfig(
        name=f"{model.family}_{toy}",
        model=model,
        data=DataConfig(name=toy, event_shape=(2,)),
        trainer=TOY_TRAINER,
        description=f"{title} on the 2-D density {toy}",
        reference=TOY_REFERENCE.get(toy, {}),
    )


for _toy in TOYS:
    register(f"realnvp_{_toy}", parameters=44_180)(
        functools.partial(_experiment, _toy, _REALNVP)
    )
    register(f"nice_{_toy}", parameters=34_826)(
        functools.partial(_experiment, _toy, _NICE)
    )
