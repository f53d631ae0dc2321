"""NICE and RealNVP on a user's own table; the dimensions come from the data.

Columns are standardized; log_prob is in units of the raw columns.
"""

from __future__ import annotations

from tfflows.zoo.config import DataConfig, TrainerConfig
from tfflows.zoo.registry import add

TABLE_TRAINER = TrainerConfig(
    epochs=100, batch_size=256, learning_rate=1e-3, clip_norm=5.0
)

add(
    "auto_table",
    "auto",
    data=DataConfig(),
    trainer=TrainerConfig(),
    description="chooses a stack of densities for your own table, as "
    "FlowDensity(): --dataset=csv:mine.csv",
)
add(
    "realnvp_table",
    "realnvp",
    num_couplings=10,
    hidden_units=(128, 128),
    standardize=True,
    data=DataConfig(),
    trainer=TABLE_TRAINER,
    description="RealNVP on your own table: --dataset=csv:mine.csv",
)
add(
    "nice_table",
    "nice",
    num_couplings=8,
    hidden_units=(128, 128),
    standardize=True,
    data=DataConfig(),
    trainer=TABLE_TRAINER,
    description="NICE on your own table: --dataset=csv:mine.csv",
)
