# %% [markdown]
# # A posterior from a simulator, and is it calibrated?
#
# You have a simulator that draws observations for given parameters, and no likelihood.
# A conditional flow learns the posterior $p(\theta\,|\,\text{observations})$ from
# simulated pairs. Then check it, as you would check any inference. It takes two
# minutes.
#
# ## A simulator
#
# An epidemic: each day, infected people infect others at rate $\beta$ and recover at
# rate $\gamma$. You see the noisy numbers of infected people on ten days.

# %%
import keras
import numpy as np

import tfflows

keras.utils.set_random_seed(0)  # the same figures in every run
NAMES = ["beta", "gamma"]


def prior(n, rng):
    return np.stack([rng.uniform(0.2, 1.0, n), rng.uniform(0.05, 0.4, n)], axis=1)


def simulate(theta, rng, days=50):
    beta, gamma = theta.T
    susceptible, infected = np.full(len(theta), 0.99), np.full(len(theta), 0.01)
    seen = []
    for day in range(days):
        new = beta * susceptible * infected
        susceptible, infected = susceptible - new, infected + new - gamma * infected
        if day % 5 == 4:
            seen.append(infected * np.exp(0.3 * rng.normal(size=len(theta))))
    return np.log(np.stack(seen, axis=1))


rng = np.random.default_rng(0)
theta = prior(20_000, rng).astype("float32")
observation = simulate(theta, rng).astype("float32")  # [20000, 10]

# %% [markdown]
# ## Fit the posterior
#
# Pass observations as the flow's `context`. The parameters have bounds: say so with
# `support=`, and the density is zero outside of the prior's range, and samples stay
# inside.

# %%
embed = keras.Sequential(
    [
        keras.layers.Normalization(),
        keras.layers.Dense(64, "relu"),
        keras.layers.Dense(16),
    ]
)
embed.layers[0].adapt(observation)
flow = tfflows.models.nsf(
    (2,),
    num_steps=4,
    network="mlp",
    hidden_units=(64, 64),
    bound=6.0,
    support=([0.2, 0.05], [1.0, 0.4]),
    context_shape=(10,),
    context_network=embed,
)
pairs = {"x": theta, "context": observation}
flow.initialize(pairs)
epochs = 20
steps = epochs * (len(theta) // 256)
flow.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)))
history = flow.fit(pairs, batch_size=256, epochs=epochs, verbose=0)
tfflows.plots.history(history)

# %% [markdown]
# ## A posterior takes one pass
#
# Training is done once. From now on the posterior of any observation costs a
# millisecond:

# %%
truth = np.array([[0.6, 0.2]])
seen = simulate(truth, rng).astype("float32")[0]
draws = flow.sample(2_000, seed=0, context=seen).numpy()  # [2000, 2]
print(
    "posterior mean",
    draws.mean(axis=0).round(3),
    "deviation",
    draws.std(axis=0).round(3),
)
tfflows.plots.pairs(theta[:2_000], draws, columns=NAMES)

# %% [markdown]
# Blue: the prior. Red: what the observation leaves of it.
#
# ## Is it calibrated?
#
# Simulate new pairs, and draw from the posterior of each. With an axis for the draws,
# one call does so for all observations:

# %%
number, draws_each = 500, 99
new_theta = prior(number, rng)
new_observation = simulate(new_theta, rng).astype("float32")
drawn = flow.sample(draws_each, seed=1, context=new_observation[:, None])
drawn = drawn.numpy()  # [observations, draws, 2]

# %% [markdown]
# **Ranks.** If the posterior is right, the rank of the truth among its draws is
# uniform. The picture shows the ranks' distribution function less the uniform one. A
# calibrated posterior stays inside the grey band in 19 of 20 cases. A curve that leaves
# it means a bias (one bow) or a wrong width (an S).

# %%
ranks = tfflows.diagnostics.calibration_ranks(drawn, new_theta)
print(
    "p-values of uniform ranks:",
    tfflows.diagnostics.uniformity_p_values(ranks, draws_each),
)
tfflows.plots.calibration(ranks, draws_each, names=NAMES)

# %% [markdown]
# **Coverage.** Central intervals of 50, 80 and 95 % should contain the truth as often:

# %%
print(tfflows.diagnostics.coverage(drawn, new_theta, levels=(0.5, 0.8, 0.95)).round(3))
tfflows.plots.coverage(drawn, new_theta, names=NAMES)

# %% [markdown]
# **Recovery.** How close do posterior means come to the truth, and how much of the
# prior's variance do observations remove?

# %%
recovered = tfflows.diagnostics.recovery(drawn, new_theta)
for k, name in enumerate(NAMES):
    print(
        f"{name}: correlation {recovered.correlation[k]:.3f}, "
        f"contraction {recovered.contraction[k]:.3f}"
    )
tfflows.plots.recovery(drawn[:100], new_theta[:100], names=NAMES)

# %% [markdown]
# Calibration is necessary, not sufficient: the prior itself is calibrated. Look at the
# contraction, too.
#
# ## Observations of any number
#
# If you observe a set, such as any number of patients, replace `context_shape=(10,)` by
# `(None, 10)` and the embedding by `tfflows.networks.DeepSet()` or `SetTransformer()`.
# Read on in [amortised inference](../guides/amortized_inference.md), which measures the
# distance from known posteriors.
