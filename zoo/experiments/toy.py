"""NICE and RealNVP on the 2-D toy densities."""

from __future__ import annotations

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import TOY_REFERENCES, TOYS
from tfflows.zoo.registry import add

TOY_TRAINER = TrainerConfig(
    epochs=60, batch_size=512, learning_rate=5e-3, clip_norm=5.0
)

for _toy, _data in TOYS.items():
    add(
        f"realnvp_{_toy}",
        "realnvp",
        num_couplings=10,
        hidden_units=(64, 64),
        actnorm=False,  # with actnorms the same training ends at more than twice the KL
        data=_data,
        trainer=TOY_TRAINER,
        description=f"RealNVP on the 2-D density {_toy}",
        references=TOY_REFERENCES.get(_toy, ()),
    )
    add(
        f"nice_{_toy}",
        "nice",
        num_couplings=8,
        hidden_units=(64, 64),
        data=_data,
        trainer=TOY_TRAINER,
        description=f"NICE on the 2-D density {_toy}",
        references=TOY_REFERENCES.get(_toy, ()),
    )
