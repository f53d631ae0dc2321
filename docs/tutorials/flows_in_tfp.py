# %% [markdown]
# # Flows in TensorFlow Probability
#
# A flow step of tfflows is a `tfb.Bijector`, and a flow has a `tfd.Distribution`. So
# they go where TFP's own go. This tutorial uses them for three things: a surrogate
# posterior, faster MCMC (NeuTra), and a joint distribution.

# %%
import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows
from tfflows import bijectors as fb
from tfflows import networks

# %% [markdown]
# ## A posterior that is hard to sample
#
# A funnel: the first coordinate sets the scale of the others. Posteriors of
# hierarchical models often look like this.

# %%
funnel = tfd.JointDistributionSequentialAutoBatched(
    [
        tfd.Normal(0.0, 2.0),
        lambda v: tfd.Sample(tfd.Normal(0.0, tf.exp(v / 2)), 2),
    ]
)


def target(x):  # [..., 3] -> [...]
    return funnel.log_prob([x[..., 0], x[..., 1:]])


# %% [markdown]
# ## A surrogate posterior
#
# `ReverseKL` fits a flow $q$ to a density that you know up to a constant, by minimising
# $\mathrm{KL}(q \,\|\, p)$. No data are needed.

# %%
keras.utils.set_random_seed(0)
steps = [
    step
    for k in range(6)
    for step in (
        fb.AffineCoupling(networks.MLP((32, 32)), reverse=bool(k % 2)),
        fb.Permute("shuffle", seed=k),
    )
]
flow = tfflows.Flow(fb.Chain([fb.Scale(), *steps]), (3,))
surrogate = tfflows.ReverseKL(flow, target)
surrogate.compile(
    keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, 1500))
)
history = surrogate.fit(steps_per_epoch=500, epochs=3, batch_size=256, verbose=0)
exact = np.concatenate(
    [tf.reshape(p, [2000, -1]) for p in funnel.sample(2000, seed=1)], 1
)
tfflows.plots.pairs(exact, flow.sample(2000, seed=0), columns=["v", "a", "b"])

# %% [markdown]
# `flow.distribution` is a `tfd.Distribution`. TFP's own tools take it, such as
# `tfp.vi.monte_carlo_variational_loss`:

# %%
q = flow.distribution
tfp.vi.monte_carlo_variational_loss(target, q, sample_size=2000, seed=(0, 1))

# %% [markdown]
# ## NeuTra: MCMC in the flow's latents
#
# A surrogate is close, but not exact. Hamiltonian Monte Carlo is exact in the limit,
# but slow on a funnel. NeuTra runs it on the latents of the flow, in which the target
# is nearly a standard normal: the flow's bijector goes into a
# `TransformedTransitionKernel`.


# %%
def run(kernel, start):
    @tf.function
    def chain():
        return tfp.mcmc.sample_chain(
            500,
            current_state=start,
            kernel=kernel,
            num_burnin_steps=200,
            trace_fn=lambda _, results: (),
            seed=(0, 2),
        )[0]

    return chain()


def hmc(log_prob, step_size):
    return tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size, num_leapfrog_steps=4)


start = flow.sample(16, seed=3)  # 16 chains
plain = run(hmc(target, 0.3), start)
neutra = run(
    tfp.mcmc.TransformedTransitionKernel(hmc(target, 0.4), flow.bijector), start
)

# %% [markdown]
# The effective sample size says how many independent draws the chains are worth. $v$ is
# normal with deviation 2, so you can also see which chains are right:

# %%
for name, states in {"HMC": plain, "NeuTra-HMC": neutra}.items():
    size = tfp.mcmc.effective_sample_size(states, cross_chain_dims=1)
    v = states.numpy()[..., 0]
    print(
        f"{name}: effective sample size of v {size[0]:.0f} of {v.size}, "
        f"mean {v.mean():.2f}, deviation {v.std():.2f}"
    )

# %% [markdown]
# ## In a joint distribution
#
# A flow can be a learned prior inside of a larger model. Here: points on two moons,
# seen with noise.

# %%
moons = tfflows.zoo.create("realnvp_two_moons", weights="pretrained")
joint = tfd.JointDistributionNamed(
    {
        "point": moons.distribution,
        "seen": lambda point: tfd.Independent(tfd.Normal(point, 0.2), 1),
    }
)
drawn = joint.sample(1000, seed=(0, 4))
tfflows.plots.pairs(drawn["point"], drawn["seen"])

# %%
joint.log_prob(drawn)[:3]

# %% [markdown]
# ## In a bijector of TFP
#
# Steps also mix with TFP's own bijectors, in either direction:

# %%
positive = tfd.TransformedDistribution(
    tfd.MultivariateNormalDiag(tf.zeros(4)),
    tfb.Chain([tfb.Exp(), fb.AffineCoupling(networks.MLP((16,)))]),
)
positive.sample(2, seed=(0, 5))

# %% [markdown]
# A step's weights are in `positive.trainable_variables`, so that `tfp.math.minimize`
# and `tfp.vi.fit_surrogate_posterior` train them.
