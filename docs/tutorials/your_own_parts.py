# %% [markdown]
# # Write a step, a law, a base
#
# Three small classes that train, save, and export like those of tfflows.

# %%
import keras
import numpy as np
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.backend import random
from tfflows.distributions.row_distribution import RowDistribution

# %% [markdown]
# ## A step
#
# A step is an invertible map with a log-determinant. Implement two methods: latents to
# data, and back. Each also returns the log of its Jacobian's absolute determinant, one
# number for each row. Everything else (TFP's methods, any number of leading axes,
# saving) comes from `FlowStep`.
#
# Here: $x = \sinh(a z + b)$, which makes heavy tails.
#
# $$\log\left|\det\frac{\partial x}{\partial z}\right|
# = \sum_i \log a_i + \log\cosh(a_i z_i + b_i)$$


# %%
@keras.saving.register_keras_serializable("mine")
class Sinh(tfflows.FlowStep):
    def build(self, data_shape):
        self.log_a = self.add_weight(shape=data_shape[1:], initializer="zeros")
        self.b = self.add_weight(shape=data_shape[1:], initializer="zeros")

    def _forward_and_log_det(self, z, context=None):
        inner = tf.exp(self.log_a) * z + self.b
        return tf.sinh(inner), self._log_det(inner)

    def _inverse_and_log_det(self, x, context=None):
        inner = tf.asinh(x)
        return (inner - self.b) * tf.exp(-self.log_a), -self._log_det(inner)

    def _log_det(self, inner):
        log_cosh = tf.abs(inner) + tf.math.log1p(tf.exp(-2 * tf.abs(inner))) - np.log(2)
        return tf.reduce_sum(self.log_a + log_cosh, axis=-1)


# %% [markdown]
# Test it: the round trip, and the log-determinant against automatic differentiation.

# %%
step = Sinh()
z = tf.random.normal([5, 3])
x, log_det = step.forward_and_log_det(z)
print("round trip:", np.abs(step.inverse(tf.identity(x)) - z).max())
with tf.GradientTape() as tape:
    tape.watch(z)
    x = step.forward(z)
jacobian = tape.batch_jacobian(x, z)
print("log-det:", np.abs(tf.linalg.slogdet(jacobian)[1] - log_det).max())

# %% [markdown]
# ## A law
#
# A coupling changes one part of its input by an element-wise map whose parameters a
# network computes from the other part. The map is a law: a class with the number of its
# parameters, `forward` and `inverse`. With all parameters 0 it must be the identity.
#
# Here: a power of both sides of 0, $x = \mathrm{sign}(z)\,|z|^{p}$ would have slope 0
# at 0, so take $x = \mathrm{sign}(z)\left((1 + |z|)^{p} - 1\right)/p$ with $p = e^{h}$.


# %%
@keras.saving.register_keras_serializable("mine")
class PowerLaw(fb.CouplingLaw):
    num_params = 2  # a shift and h

    def _split(self, params):
        shift, h = tf.split(params, 2, axis=-1)
        return shift, tf.tanh(h)  # bounded: p is between 1/e and e

    def forward(self, z, params):
        shift, h = self._split(params)
        log_size, p = tf.math.log1p(tf.abs(z)), tf.exp(h)
        x = tf.sign(z) * tf.math.expm1(p * log_size) / p
        return x + shift, (p - 1) * log_size

    def inverse(self, x, params):
        shift, h = self._split(params)
        y, p = x - shift, tf.exp(h)
        log_size = tf.math.log1p(p * tf.abs(y)) / p
        return tf.sign(y) * tf.math.expm1(log_size), -(p - 1) * log_size


coupling = fb.Coupling(PowerLaw(), networks.MLP((32,)), mask="half")
z = tf.random.normal([5, 4])
np.abs(coupling.inverse(tf.identity(coupling.forward(z))) - z).max()

# %% [markdown]
# ## A base
#
# Any `tfd.Distribution` can be a flow's base. Write a `RowDistribution` if rows shall
# be drawn at once and each from a seed of its own, so that equal seeds give equal
# samples in any batch. Here: independent Laplace coordinates.


# %%
@keras.saving.register_keras_serializable("mine")
class StandardLaplace(RowDistribution):
    def _rows(self, seeds, count):
        u = random.uniform_rows(seeds, count, self.dtype)
        return tf.sign(u - 0.5) * -tf.math.log1p(-tf.abs(2 * u - 1))

    def _log_density(self, flat):
        return -tf.reduce_sum(tf.abs(flat) + np.log(2), axis=-1)


# %% [markdown]
# ## All three in one flow

# %%
data = np.random.default_rng(0).standard_t(3, size=(5000, 4)).astype("float32")
flow = tfflows.Flow(
    fb.Chain(
        [
            Sinh(),
            fb.Coupling(PowerLaw(), networks.MLP((32,)), mask="half"),
            fb.Coupling(PowerLaw(), networks.MLP((32,)), mask="half", reverse=True),
        ]
    ),
    (4,),
    base=StandardLaplace(4),
)
flow.initialize(data)
flow.compile(keras.optimizers.Adam(3e-3))
flow.fit(data, batch_size=256, epochs=10, verbose=2)
tfflows.plots.marginals(data.clip(-8, 8), flow.sample(5000, seed=0).numpy().clip(-8, 8))

# %% [markdown]
# It saves and loads (register your classes with Keras, as above), and exports:

# %%
flow.save("mine.keras")
loaded = keras.models.load_model("mine.keras")
print(np.abs(loaded.log_prob(data[:100]) - flow.log_prob(data[:100])).max())
tfflows.export.export_saved_model(flow, "models/mine")

# %% [markdown]
# To bring a step into tfflows, add a row to `tests/bijectors/step_table.py`: it then
# runs through all checks of the contract. See [how to contribute](../contributing.md).
