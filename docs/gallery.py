# %% [markdown]
# # Gallery
#
# Every picture is drawn by the build, from weights that ship with tfflows.

# %% tags=["hide"]
# %matplotlib inline
import numpy as np
from matplotlib.figure import Figure

import tfflows


def planes(names, titles, resolution=160):
    """Densities of zoo models side by side."""
    figure = Figure(figsize=(3.2 * len(names), 3.4), layout="constrained")
    for k, (name, title) in enumerate(zip(names, titles, strict=True)):
        flow = tfflows.zoo.create(name, weights="pretrained")
        side = np.linspace(-4, 4, resolution, dtype="float32")
        if name.endswith("two_moons"):
            side = np.linspace(-2, 3, resolution, dtype="float32")
        points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        density = np.exp(flow.log_prob(points).numpy()).reshape(resolution, -1)
        axes = figure.add_subplot(1, len(names), k + 1, title=title)
        axes.imshow(density, origin="lower", cmap="magma")
        axes.set_axis_off()
    return figure


# %% [markdown]
# ## Densities in the plane
#
# Affine couplings (RealNVP):

# %% tags=["hide"]
planes(
    [
        "realnvp_two_moons",
        "realnvp_eight_gaussians",
        "realnvp_checkerboard",
        "realnvp_rings",
    ],
    ["two moons", "eight Gaussians", "checkerboard", "rings"],
)

# %% [markdown]
# Spline couplings (NSF) fit sharp edges and thin rings better:

# %% tags=["hide"]
planes(
    ["nsf_eight_gaussians", "nsf_checkerboard", "nsf_rings"],
    ["eight Gaussians", "checkerboard", "rings"],
)

# %% [markdown]
# ## Samples beside data
#
# `tfflows.plots.pairs(data, samples)`: data in blue, samples in red.

# %% tags=["hide"]
checkerboard = tfflows.zoo.create("nsf_checkerboard", weights="pretrained")
data = tfflows.data.toy.checkerboard.sample(2000, seed=0)
tfflows.plots.pairs(data, checkerboard.sample(2000, seed=0))

# %% [markdown]
# ## Digits
#
# Samples of `realnvp_digits` at temperatures 1, 0.7 and 0.4, from above:

# %% tags=["hide"]
digits = tfflows.zoo.create("realnvp_digits", weights="pretrained")
drawn = [digits.sample(10, seed=0, temperature=t).numpy() for t in (1.0, 0.7, 0.4)]
tfflows.plots.grid(np.concatenate(drawn), levels=17, columns=10)

# %% [markdown]
# Straight lines in latent space, from one test image to another:

# %% tags=["hide"]
source = tfflows.data.load("digits")
test = source.arrays("test", limit=12)
steps = np.linspace(0, 1, 9)
strips = [
    tfflows.latent.interpolate(digits, test[k], test[k + 1], steps) for k in (0, 2, 8)
]
tfflows.plots.grid(np.concatenate(strips).round(), levels=17, columns=9)

# %% [markdown]
# From 3 to 8, along the difference of the classes' mean latents; the third column shows
# the images themselves:

# %% tags=["hide"]
x, labels = source.arrays("train"), source.labels("train")
direction = tfflows.latent.class_direction(digits, x, labels, 3, 8)
threes = source.arrays("test")[source.labels("test") == 3][:3]
moved = tfflows.latent.manipulate(digits, threes, direction, np.linspace(-0.5, 1, 7))
tfflows.plots.grid(moved.reshape(-1, 8, 8, 1).round(), levels=17, columns=7)
