"""The registered experiments; importing this package registers them."""

from tfflows.zoo.experiments import (
    autoregressive,
    circular,
    continuous,
    density,
    flowpp_images,
    glow_images,
    images,
    nsf_images,
    posteriors,
    realnvp_images,
    residual,
    tables,
    tarflow_images,
    toy,
    vae,
)

__all__ = [
    "autoregressive",
    "circular",
    "continuous",
    "density",
    "flowpp_images",
    "glow_images",
    "images",
    "nsf_images",
    "posteriors",
    "realnvp_images",
    "residual",
    "tables",
    "tarflow_images",
    "toy",
    "vae",
]
