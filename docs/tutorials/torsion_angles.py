# %% [markdown]
# # Torsion angles of a protein
#
# The shape of a protein's backbone is told by two torsion angles per residue, phi and
# psi. Their density, the Ramachandran plot, lives on a torus: -180 and 180 degrees are
# the same rotation, and one of its most common regions lies right across that seam.
#
# ## The data
#
# These angles are synthetic: a mixture of von Mises distributions around the regions
# that textbooks name, with round figures for their centres in degrees. Use your own
# angles in their place.

# %%
import keras
import numpy as np

import tfflows

REGIONS = {  # phi, psi in degrees, share, concentration
    "beta sheet": (-120.0, 150.0, 0.30, 5.0),
    "polyproline II": (-70.0, 155.0, 0.20, 12.0),
    "alpha helix": (-65.0, -40.0, 0.25, 12.0),
    "left-handed helix": (57.0, 45.0, 0.10, 12.0),
    "glycine": (80.0, 180.0, 0.15, 5.0),
}


def torsion_angles(number, seed):
    """Angles in radians, in [-pi, pi): [number, 2]."""
    rng = np.random.default_rng(seed)
    table = np.array(list(REGIONS.values()))
    phi, psi, _, concentration = table[rng.choice(len(table), number, p=table[:, 2])].T
    centres = np.deg2rad(np.stack([phi, psi], axis=1))
    angles = rng.vonmises(centres, concentration[:, np.newaxis])
    return ((angles + np.pi) % (2 * np.pi) - np.pi).astype("float32")


keras.utils.set_random_seed(0)
x, new = torsion_angles(10_000, seed=0), torsion_angles(5_000, seed=1)

# %% [markdown]
# ## Two flows
#
# The first is told that both columns are angles. The second takes them for real
# numbers.

# %%
SETTINGS = {"num_steps": 4, "hidden_units": (32,), "num_bins": 8}
flow = tfflows.models.nsf((2,), circular=(True, True), **SETTINGS)
plain = tfflows.models.nsf((2,), bound=4.0, **SETTINGS)
for model in (flow, plain):
    model.compile(keras.optimizers.Adam(5e-3, clipnorm=5.0))
    model.fit(x, batch_size=250, epochs=12, verbose=0)
    print(f"{model.log_prob(new).numpy().mean():.3f} nats on new angles")

# %% [markdown]
# ## The density
#
# The top and the bottom of the picture are one line, and so are left and right. The
# regions at the top go on at the bottom.

# %%
PERIOD = (-np.pi, np.pi, -np.pi, np.pi)
tfflows.plots.density(flow, extent=PERIOD)

# %% [markdown]
# The flow for real numbers fits the same points, with a break at the seam, and part of
# its mass lies outside of the square:

# %%
tfflows.plots.density(plain, extent=PERIOD)

# %%
psi = np.float32(np.pi)
for name, model in (("angles", flow), ("real numbers", plain)):
    below, above = np.exp(model.log_prob([[-1.8, -psi], [-1.8, psi]]))
    drawn = model.sample(10_000, seed=0).numpy()
    outside = np.mean(np.abs(drawn).max(axis=1) > np.pi)
    print(f"{name}: density {below:.4f} and {above:.4f} on the two sides of the seam, ")
    print(f"    {outside:.1%} of the samples are outside of the period")

# %% [markdown]
# ## Angles in other units
#
# Angles outside of the period are errors in `fit` and have the density 0. Convert
# degrees by `np.deg2rad`; `nsf(..., wrap=True)` takes angles of any period.

# %%
degrees = np.array([[-63.0, 317.0]])  # 317 is -43 degrees
print(flow.log_prob(np.deg2rad(degrees)).numpy())
wrapping = tfflows.models.nsf((2,), circular=(True, True), wrap=True, **SETTINGS)
wrapping.set_weights(flow.get_weights())
print(wrapping.log_prob(np.deg2rad(degrees)).numpy())

# %% [markdown]
# Next: [the guide to angles](../guides/angles.md) explains the steps, and how to mix
# angles with real columns.
