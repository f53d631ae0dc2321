"""The registered experiments; importing this package registers them."""

from tfflows.zoo.experiments import (
    autoregressive,
    continuous,
    density,
    image_flows,
    images,
    posteriors,
    tables,
    toy,
    vae,
)

__all__ = [
    "autoregressive",
    "continuous",
    "density",
    "image_flows",
    "images",
    "posteriors",
    "tables",
    "toy",
    "vae",
]
