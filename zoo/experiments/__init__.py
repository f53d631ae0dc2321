"""The registered experiments; importing this package registers them."""

from tfflows.zoo.experiments import (
    autoregressive,
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
    "density",
    "image_flows",
    "images",
    "posteriors",
    "tables",
    "toy",
    "vae",
]
