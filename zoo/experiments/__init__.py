"""The registered experiments; importing this package registers them."""

from tfflows.zoo.experiments import image_flows, images, tables, toy, vae

__all__ = ["image_flows", "images", "tables", "toy", "vae"]
