# %% [markdown]
# # A VAE with a flow as its posterior, and what the flow buys
#
# A variational autoencoder compresses images $x$ to latents $z$ and learns a bound on
# their likelihood:
#
# $$\log p(x) \ge \mathrm{ELBO}(x) = E_{q(z|x)}\left[\log p(x|z)\right]
# - \mathrm{KL}\left(q(z|x) \,\|\, p(z)\right)$$
#
# The bound is the tighter, the closer $q(z|x)$ comes to the true posterior. A Gaussian
# with independent coordinates often cannot come close. A flow bends it. It takes two
# minutes.

# %%
import keras
import numpy as np
import pandas as pd

import tfflows

data = tfflows.data.load("static_binarized:digits")  # black and white, 8 x 8
x, test = data.arrays("train"), data.arrays("test")
tfflows.plots.grid(x[:10], levels=2, columns=10)

# %% [markdown]
# ## Three posteriors
#
# All three models have the same encoder and decoder, and latents in the plane. Only the
# posterior differs: a Gaussian, a Gaussian bent by 8 planar steps, and one bent by 3
# inverse autoregressive steps (IAF). The encoder computes the steps' parameters for
# each image (amortisation).

# %%
posteriors = {
    "Gaussian": {},
    "planar": {"posterior": "planar", "num_flows": 8},
    "IAF": {"posterior": "iaf", "num_flows": 3, "flow_units": (64,)},
}
epochs = 80
models = {}
for name, arguments in posteriors.items():
    keras.utils.set_random_seed(0)
    vae = tfflows.models.vae(
        (8, 8, 1), latent_dim=2, hidden_units=(128, 128), warmup_steps=200, **arguments
    )
    vae.initialize(x)
    vae.compile(keras.optimizers.Adam(2e-3))
    vae.fit(x, batch_size=128, epochs=epochs, verbose=0)
    models[name] = vae

# %% [markdown]
# ## What the flow buys
#
# The ELBO is what training raises. The importance-weighted bound (IWAE) with many
# samples is close to $\log p(x)$ itself. Their difference is about the KL between
# $q(z|x)$ and the true posterior.

# %%
rows = {}
for name, vae in models.items():
    elbo = np.mean([vae.elbo(test, seed=k).numpy().mean() for k in range(20)])
    iwae = vae.iwae(test, num_samples=1000, seed=0).numpy().mean()
    rows[name] = {"ELBO": elbo, "IWAE": iwae, "gap": iwae - elbo}
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# All figures are in nats for each image; more is better, for the gap less. A flexible
# posterior lets the decoder use the latents better, so both bounds rise. One seed and a
# short training do not order the models for good:
# [measured results](../results/variational.md) has several seeds on MNIST.
#
# ## Look at a posterior
#
# Take the image on which the Gaussian loses most, and encode it 2,000 times. A Gaussian
# posterior is an ellipse along the axes; a flow's may also be tilted or bent:

# %%
gaussian = models["Gaussian"]
lost = gaussian.iwae(test, num_samples=1000, seed=0) - gaussian.elbo(test, seed=0)
one = np.repeat(test[[np.argmax(lost)]], 2000, axis=0)
z = {name: vae.encode(one, seed=0).numpy() for name, vae in models.items()}
tfflows.plots.pairs(z["Gaussian"], z["IAF"])

# %% [markdown]
# Blue, below the diagonal: the Gaussian posterior. Red, above: the flow's. (The two
# models have latents of their own, so compare shapes, not places.)
#
# ## Draw and reconstruct

# %%
vae = models["IAF"]
shown = [test[:10], vae.reconstruct(test[:10]).numpy(), vae.sample(10, seed=0).numpy()]
tfflows.plots.grid(np.concatenate(shown).astype(float), columns=10)

# %% [markdown]
# From above: test images, their reconstructions (means of pixels), and samples.
#
# ## Your own networks
#
# `tfflows.FlowVAE` takes any Keras encoder and decoder, and any step as posterior or
# prior:
#
# ```python
# from tfflows import bijectors as fb
#
# vae = tfflows.FlowVAE(
#     encoder, decoder, latent_dim=2,
#     posterior=fb.Chain([fb.Planar(context_dim=128) for _ in range(8)]),
# )
# ```
#
# See [contexts and VAEs](../guides/contexts_and_vaes.md) for the rest.
