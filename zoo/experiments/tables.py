"""NICE and RealNVP on a user's own table; the dimensions come from the data."""

from __future__ import annotations

from tfflows.zoo.config import DataConfig, ExperimentConfig, TrainerConfig
from tfflows.zoo.model_config import NICEConfig, RealNVPConfig
from tfflows.zoo.registry import register

TABLE_TRAINER = TrainerConfig(
    epochs=100, batch_size=256, learning_rate=1e-3, clip_norm=5.0
)


@register("realnvp_table")
def realnvp_table() -> ExperimentConfig:
    """RealNVP on a table, standardized; log_prob is in units of the raw columns.

    Returns:
      The configuration.
    """
    return ExperimentConfig(
        name="realnvp_table",
        model=RealNVPConfig(
            num_couplings=10, hidden_units=(128, 128), standardize=True
        ),
        data=DataConfig(),
        trainer=TABLE_TRAINER,
        description="RealNVP on your own table: --dataset=csv:mine.csv",
    )


@register("nice_table")
def nice_table() -> ExperimentConfig:
    """NICE on a table, standardized; log_prob is in units of the raw columns.

    Returns:
      The configuration.
    """
    return ExperimentConfig(
        name="nice_table",
        model=NICEConfig(num_couplings=8, hidden_units=(128, 128), standardize=True),
        data=DataConfig(),
        trainer=TABLE_TRAINER,
        description="NICE on your own table: --dataset=csv:mine.csv",
    )
