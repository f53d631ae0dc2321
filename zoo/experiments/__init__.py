"""The registered experiments; importing this package registers them."""

from tfflows.zoo.experiments import (
    autoregressive,
    image_flows,
    images,
    tables,
    toy,
    vae,
)

__all__ = ["autoregressive", "image_flows", "images", "tables", "toy", "vae"]
