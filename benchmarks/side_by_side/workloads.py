"""The work that all libraries do; no framework is imported here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Workload:
    """One model on one kind of data.

    Attributes:
      name: Its key in `WORKLOADS`.
      title: What the tables call it.
      event_shape: Shape of an event.
      batch_size: Events in a training step.
      num_events: Events of one timed call of `log_prob` and of `sample`.
      train_steps: Training steps in one timed round, of some seconds: what an epoch
        costs to begin should count as in an epoch.
      model: The sizes of its layers, by the names that each contestant reads.
      operations: What is timed; of a VAE, "log_prob" is one draw of its ELBO.
      learning_rate: Adam's.
    """

    name: str
    title: str
    event_shape: tuple[int, ...]
    batch_size: int
    num_events: int
    train_steps: int
    model: Mapping[str, Any]
    operations: tuple[str, ...] = ("train", "log_prob", "sample")
    learning_rate: float = 1e-3

    @property
    def dimensions(self) -> int:
        """D, the number of elements of an event."""
        return math.prod(self.event_shape)

    def data(self) -> np.ndarray:
        """Training data, float32 `[N, *event]`, the same in every process."""
        rng = np.random.default_rng(0)
        if self.model.get("binary"):
            return _binary_images(rng, 10_000, self.dimensions)
        if len(self.event_shape) == 3:
            return _smooth_images(rng, 2_048, self.event_shape)
        return _mixture(rng, 65_536, self.dimensions)


def _mixture(rng: np.random.Generator, size: int, dimensions: int) -> np.ndarray:
    """Four correlated normals, standardised."""
    centers = 2.0 * rng.standard_normal((4, dimensions))
    maps = rng.standard_normal((4, dimensions, dimensions)) / np.sqrt(dimensions)
    component = rng.integers(4, size=size)
    noise = rng.standard_normal((size, dimensions))
    x = centers[component] + np.einsum("nd,nde->ne", noise, maps[component])
    return ((x - x.mean(0)) / x.std(0)).astype("float32")


def _smooth_images(
    rng: np.random.Generator, size: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Blurred noise in [-0.5, 0.5], with the noise of a dequantization."""
    x = rng.standard_normal((size, *shape))
    for axis in (1, 2):
        for _ in range(3):
            x = (x + np.roll(x, 1, axis) + np.roll(x, 2, axis)) / 3
    x = np.clip(x / (6 * x.std()), -0.5, 0.5 - 1 / 256)
    return (x + rng.random(x.shape) / 256).astype("float32")


def _binary_images(rng: np.random.Generator, size: int, dimensions: int) -> np.ndarray:
    """Thresholds of a 10-dimensional normal's linear image."""
    latent = rng.standard_normal((size, 10))
    loading = rng.standard_normal((10, dimensions))
    return (latent @ loading > 2.0).astype("float32")


_TABLE: dict[str, Any] = {"event_shape": (43,), "batch_size": 512, "num_events": 4096}

WORKLOADS = {
    "realnvp": Workload(
        name="realnvp",
        title="W1 RealNVP, 43-D, 10 affine couplings, MLP 2x128, batch 512",
        train_steps=300,
        model={"num_couplings": 10, "hidden_units": (128, 128)},
        **_TABLE,
    ),
    "glow": Workload(
        name="glow",
        title="W2 Glow, 32x32x3, L=3, K=8, width 128, batch 16",
        event_shape=(32, 32, 3),
        batch_size=16,
        num_events=64,
        train_steps=20,
        model={"num_levels": 3, "num_steps": 8, "width": 128},
        # After 50 steps of 1e-3, without the warm-up of Glow's authors, some of the
        # libraries' samples overflow.
        learning_rate=1e-4,
    ),
    "spline": Workload(
        name="spline",
        title="W3 RQ-spline couplings, 43-D, 8 couplings, 8 bins, MLP 2x128, batch 512",
        train_steps=50,
        model={"num_couplings": 8, "hidden_units": (128, 128), "num_bins": 8},
        **_TABLE,
    ),
    "maf": Workload(
        name="maf",
        title="W4 MAF, 43-D, 5 layers, MADE 2x512, batch 512",
        train_steps=100,
        model={"num_layers": 5, "hidden_units": (512, 512)},
        **_TABLE,
    ),
    "planar_vae": Workload(
        name="planar_vae",
        title="W5 VAE with 16 planar flows, 784-D, MLP 2x400, 40 latents, batch 100",
        event_shape=(784,),
        batch_size=100,
        num_events=4096,
        train_steps=600,
        model={
            "num_flows": 16,
            "hidden_units": (400, 400),
            "latent_dim": 40,
            "binary": True,
        },
    ),
    "glow_build": Workload(
        name="glow_build",
        title="W6 building and tracing Glow, 32x32x3, L=3, K=32, width 512",
        event_shape=(32, 32, 3),
        batch_size=16,
        num_events=64,
        train_steps=1,
        model={"num_levels": 3, "num_steps": 32, "width": 512},
        operations=("build",),
    ),
}

# Which library does which work, by the environment that it needs.
OURS = {
    "tfflows_fit": ("realnvp", "glow", "spline", "maf", "planar_vae", "glow_build"),
    "tfflows_export": ("realnvp", "glow", "spline", "maf", "planar_vae"),
    "tfflows_export_xla": ("realnvp", "glow", "maf", "planar_vae"),
    "tfp_stock": ("realnvp", "glow", "spline", "maf", "glow_build"),
    "tf_convolutions": ("glow",),
}
PEERS = {
    "torch_nflows": ("realnvp", "glow", "spline", "maf"),
    "torch_normflows": ("realnvp", "glow", "spline", "maf", "planar_vae"),
    "torch_zuko": ("realnvp", "spline", "maf"),
    "jax_flowjax": ("realnvp", "spline", "maf", "planar_vae"),
    "jax_distrax": ("realnvp", "spline"),
}
