# %% [markdown]
# # Two moons, from data to a served model
#
# Fit a density to points in the plane, draw new points from it, and let other programs
# ask it over HTTP. It takes a minute, and needs the extras `plots`, `serve` and
# `serving` (`pip install '.[plots,serve,serving]'` in the checkout).
#
# ## The data

# %%
import keras
import numpy as np
from scipy.stats import multivariate_normal

import tfflows

keras.utils.set_random_seed(0)  # the same figures in every run
x = tfflows.data.toy.two_moons.sample(20_000, seed=0)  # float32 [20000, 2]
tfflows.plots.pairs(x)

# %% [markdown]
# ## A flow
#
# A normalizing flow maps latents $z$ with a simple density, here a standard normal, to
# data $x = f(z)$. The map is invertible, so the density of the data is exact:
#
# $$\log p(x) = \log p(z) + \log\left|\det\frac{\partial z}{\partial x}\right|,
# \quad z = f^{-1}(x)$$
#
# RealNVP stacks couplings: each changes one coordinate by an affine map that a small
# network computes from the other.

# %%
flow = tfflows.models.realnvp((2,), num_couplings=8, hidden_units=(64, 64))
flow.initialize(x)  # starts the normalization layers from data, once
flow.count_params()

# %% [markdown]
# ## Train it
#
# The loss is built in: the mean of $-\log p(x)$ in nats. A flow is a `keras.Model`, so
# optimizers, callbacks and `fit` are Keras'.

# %%
flow.compile(keras.optimizers.Adam(2e-3))
history = flow.fit(x, batch_size=512, epochs=15, validation_split=0.1, verbose=0)
tfflows.plots.history(history)

# %% [markdown]
# Judge it by new points, beside a Gaussian with the data's mean and covariance. More is
# better:

# %%
new = tfflows.data.toy.two_moons.sample(5_000, seed=1)
gaussian = multivariate_normal(x.mean(axis=0), np.cov(x.T))
print(f"Gaussian: {gaussian.logpdf(new).mean():.3f} nats")
print(f"flow:     {flow.log_prob(new).numpy().mean():.3f} nats")

# %% [markdown]
# ## Look at the density, and draw from it

# %%
tfflows.plots.density(flow, x=new[:300])

# %%
samples = flow.sample(2_000, seed=0)  # the same points at every call
tfflows.plots.pairs(new[:2_000], samples)

# %% [markdown]
# Blue points (below the diagonal) are data, red ones are samples. `encode` gives the
# latents of data, and `decode` takes them back:

# %%
z = flow.encode(x[:3])
print(flow.decode(z).numpy() - x[:3])

# %% [markdown]
# ## Save it
#
# The file holds the architecture and the weights.

# %%
flow.save("moons.keras")
keras.models.load_model("moons.keras").log_prob(x[:3])

# %% [markdown]
# ## Export it
#
# An export is a SavedModel with named signatures, which TensorFlow Serving runs without
# Python. It appears only after it agreed with the live model in a process of its own.

# %%
tfflows.export.export_saved_model(flow, "models/moons")

# %% [markdown]
# ## Serve it
#
# `tfflows-serve` is a small server for your own machine with TensorFlow Serving's API.
# In production, run the same folder with the `tensorflow/serving` image.

# %%
import subprocess

server = subprocess.Popen(
    ["tfflows-serve", "--export_dir=models/moons", "--port=0"],  # 0: any free port
    stdout=subprocess.PIPE,
    text=True,
)
url = server.stdout.readline().split()[-1]

# %%
from tfflows.export.client import RestClient

with RestClient(url, "moons") as client:
    drawn = client.sample(1_000, seed=0, temperature=0.7)
    print(client.log_prob(x[:3]))
tfflows.plots.pairs(new[:1_000], drawn)

# %% [markdown]
# A temperature below 1 keeps samples closer to where the density is high. Open the url
# in a browser to draw and score by hand. Stop the server when you are done:

# %%
server.terminate()
server.wait()

# %% [markdown]
# Next: [fit your own table](my_table.md), or read how to
# [ask an export from other programs](../guides/serving.md).
