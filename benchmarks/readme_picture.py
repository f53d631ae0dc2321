"""Draws the README's picture: a density beside samples, and digits, by shipped weights.

python benchmarks/readme_picture.py docs/images/readme.png
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure

import tfflows
from tfflows.grids import image_grid

TOYS = ("checkerboard", "rings")
GRID = 240


def draw_density(axes, flow, extent):
    """The density on a square grid."""
    line = np.linspace(-extent, extent, GRID, dtype="float32")
    points = np.stack(np.meshgrid(line, line), axis=-1)
    log_prob = flow.predict(points.reshape(-1, 2), batch_size=8192, verbose=0)
    density = np.exp(log_prob).reshape(GRID, GRID)
    axes.imshow(density, origin="lower", extent=(-extent, extent) * 2, cmap="magma")


def draw_samples(axes, flow, extent):
    """A few thousand samples."""
    x = flow.sample(4000, seed=0).numpy()
    axes.scatter(*x.T, s=1, linewidths=0, color="#333333")
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")


def main(path):
    """Draws the picture."""
    figure = Figure(figsize=(15, 3.2), layout="constrained")
    axes = figure.subplots(1, 5)
    for k, name in enumerate(TOYS):
        flow = tfflows.zoo.create(f"nsf_{name}", weights="pretrained")
        extent = float(np.abs(getattr(tfflows.data.toy, name).sample(4000, 0)).max())
        draw_density(axes[2 * k], flow, 1.1 * extent)
        draw_samples(axes[2 * k + 1], flow, 1.1 * extent)
        axes[2 * k].set_title("density")
        axes[2 * k + 1].set_title("samples")
    digits = tfflows.zoo.create("realnvp_digits", weights="pretrained")
    x = digits.sample(64, seed=0, temperature=0.8)
    axes[4].imshow(image_grid(x.numpy(), 17), cmap="gray")
    axes[4].set_title("samples, digits")
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
