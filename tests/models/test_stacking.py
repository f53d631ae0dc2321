"""`stacked=`: the same flow, whether steps that repeat are one `Repeated` or not."""

from __future__ import annotations

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.backend.weight_kinds import is_matrix
from tfflows.families import BUILDERS, builder
from tfflows.families.parts.stacking import _slots, copy_weights, repeated
from tfflows.training.weight_decay import decay_matrices_only
from tfflows.zoo.families import fields

IMAGE = (4, 4, 1)
VAE = {"latent_dim": 3, "hidden_units": (6,), "levels": 2}
FLOW = {"hidden_units": (6,)}
# By name: family, shape, arguments, and the numbers of repeats that are stacked.
ROWS = {
    "nice": ("nice", (5,), {"num_couplings": 5, **FLOW}, [2]),
    "realnvp": ("realnvp", (5,), {"num_couplings": 5, **FLOW}, [2]),
    "realnvp_context": (
        "realnvp",
        (4,),
        {"num_couplings": 4, "context_dim": 3, "network": "resnet", **FLOW},
        [2],
    ),
    "realnvp_short": ("realnvp", (4,), {"num_couplings": 3, **FLOW}, []),
    "maf": ("maf", (4,), {"num_steps": 3, "normalization": "actnorm", **FLOW}, [3]),
    "maf_one": ("maf", (4,), {"num_steps": 1, **FLOW}, []),
    "maf_batch": ("maf", (4,), {"num_steps": 2, "normalization": "batch", **FLOW}, []),
    "iaf": ("iaf", (3,), {"num_steps": 2, **FLOW}, [2]),
    "nsf": ("nsf", (4,), {"num_steps": 2, "actnorm": True, **FLOW}, [2]),
    "nsf_shuffle": (
        "nsf",
        (4,),
        {"num_steps": 2, "permutation": "shuffle", **FLOW},
        [],
    ),
    "nsf_ar": (
        "nsf",
        (3,),
        {"num_steps": 2, "structure": "autoregressive", **FLOW},
        [2],
    ),
    "glow": ("glow", IMAGE, {"num_steps": 2, "num_levels": 2, "width": 4}, [2, 2]),
    "glow_classes": (
        "glow",
        IMAGE,
        {"num_steps": 2, "num_levels": 1, "width": 4, "num_classes": 3},
        [2],
    ),
    "glow_shuffle": (
        "glow",
        IMAGE,
        {"num_steps": 2, "num_levels": 1, "width": 4, "permutation": "shuffle"},
        [],
    ),
    "nsf_multiscale": (
        "nsf_multiscale",
        IMAGE,
        {"num_steps": 2, "num_levels": 2, "width": 4, "num_blocks": 1, "num_bins": 2},
        [2, 2],
    ),
    "glow_dense": ("glow_dense", (4,), {"num_steps": 2, **FLOW}, [2]),
    "realnvp_multiscale": (
        "realnvp_multiscale",
        IMAGE,
        {"num_levels": 2, "width": 4, "num_blocks": 1},
        [2],
    ),
    "realnvp_multiscale_batch": (
        "realnvp_multiscale",
        IMAGE,
        {"num_levels": 1, "width": 4, "num_blocks": 1, "normalization": "batch"},
        [],
    ),
    "residual_flow": (
        "residual_flow",
        (3,),
        {"num_blocks": 2, "log_det": "series", "num_terms": 3, "lipschitz": 0.5} | FLOW,
        [2],
    ),
    "flowpp": (
        "flowpp",
        IMAGE,
        {"couplings_per_part": (4, 1, 1), "num_components": 2, "width": 4}
        | {"num_blocks": 1, "num_heads": 1},
        [2],
    ),
    "vae": ("vae", (5,), VAE, []),
    "radial": ("vae", (5,), {"posterior": "radial", "num_flows": 2, **VAE}, [2]),
    "planar_vae": ("planar_vae", (5,), {"num_flows": 3, **VAE}, [3]),
    "orthogonal": (
        "sylvester_vae",
        (5,),
        {"num_flows": 2, "num_columns": 2, **VAE},
        [2],
    ),
    "householder": (
        "sylvester_vae",
        (5,),
        {"basis": "householder", "num_flows": 2, "num_reflections": 2, **VAE},
        [2],
    ),
    "triangular": (
        "sylvester_vae",
        (5,),
        {"basis": "triangular", "num_flows": 5, **VAE},
        [2],
    ),
    "realnvp_vae": (
        "realnvp_vae",
        (5,),
        {"num_flows": 4, "flow_units": (6,), **VAE},
        [2],
    ),
    "iaf_vae": ("iaf_vae", (5,), {"num_flows": 2, "flow_units": (6,), **VAE}, [2]),
    "flowprior_vae": (
        "flowprior_vae",
        (5,),
        {"num_prior_couplings": 5, "flow_units": (6,), **VAE},
        [2],
    ),
}


def test_every_family_has_a_row():
    families = {name for name in BUILDERS if "stacked" in fields(name)}
    assert {row[0] for row in ROWS.values()} == families


def build(name, **kwargs):
    family, shape, arguments, _ = ROWS[name]
    return builder(family)(shape, **{"dtype": "float64", **arguments, **kwargs})


@functools.cache
def pair(name):
    """The stacked model and the other one, with the same weights."""
    stacked, other = build(name), build(name, stacked=False)
    stacked.initialize(*batch(stacked))
    randomize(stacked, size=0.1)
    copy_weights(stacked, other)
    return stacked, other


def batch(model):
    rng = np.random.default_rng(0)
    if is_vae(model):
        return (rng.integers(0, 2, (6, *model.event_shape)),)
    x = rng.normal(size=(6, *model.event_shape))
    if model.context_shape is None:
        return (x,)
    if model.context_shape == ():
        return x, np.arange(6) % 3
    return x, rng.normal(size=(6, *model.context_shape))


def is_vae(model):
    return isinstance(model, tfflows.FlowVAE)


def repeats(model):
    found = [model.posterior, model.prior] if is_vae(model) else [model.bijector]
    layers = [layer for part in found if part for layer in part._flatten_layers()]
    return [step.num_repeats for step in layers if isinstance(step, fb.Repeated)]


@pytest.mark.parametrize("name", ROWS)
def test_what_repeats_is_stacked(name):
    stacked, other = pair(name)
    assert repeats(stacked) == ROWS[name][-1]
    assert repeats(other) == []


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[-1]])
def test_it_is_the_same_model(name):
    figures = [outputs(model) for model in pair(name)]
    if name == "nice":  # in a graph the steps of a stack share one function
        figures[0] = outputs(pair(name)[0], tf.function(autograph=False))
    for one, two in zip(*figures, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def outputs(model, traced=lambda function: function):
    """Densities, samples and gradients, the last in the order of single steps."""
    x, *context = batch(model)
    context = context[0] if context else None
    weights = model.trainable_weights

    @traced
    def run():
        with tf.GradientTape() as tape:
            if is_vae(model):
                value = model.elbo(x, seed=3)
            else:
                value = model.log_prob(x, context)
        variables = [weight.value for weight in weights]
        gradients = tape.gradient(
            value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        one = {} if context is None else {"context": context[0]}
        return value, model.sample(4, seed=5, **one), gradients

    value, sample, gradients = run()
    by_weight = {
        id(w): gradient.numpy() for w, gradient in zip(weights, gradients, strict=True)
    }
    slots = [(id(weight), place) for weight, place in _slots(model)]
    return value, sample, *[by_weight[w][p] for w, p in slots if w in by_weight]


def test_weights_of_another_model_are_refused():
    one, other = build("nice"), build("realnvp")
    with pytest.raises(ValueError, match="expected models of one structure but for st"):
        copy_weights(one, other)


@pytest.mark.parametrize("name", ROWS)
def test_kernels_decay_and_nothing_else(name):
    for model in pair(name):
        optimizer = keras.optimizers.Adam(weight_decay=0.1)
        decay_matrices_only(optimizer, model.trainable_weights)
        optimizer.build(model.trainable_weights)
        for weight in model.trainable_weights:
            is_linear = re.search(r"(kernel(_\d+)?|_lu|/lu)$", weight.path) is not None
            assert optimizer._use_weight_decay(weight) == is_linear, weight.path


def test_parameters_of_a_base_do_not_decay():
    mixture = tfflows.distributions.GaussianMixture((3,), num_components=2)
    assert not any(map(is_matrix, tfflows.distributions.Base(mixture).weights))


@pytest.mark.parametrize("clip", [{"clipnorm": 1e-3}, {"global_clipnorm": 1e-3}])
def test_clipped_steps_are_the_same(clip):
    models = [build("nice"), build("nice", stacked=False)]
    randomize(models[0])
    copy_weights(*models)
    (x,) = batch(models[0])
    for model in models:
        model.compile(keras.optimizers.SGD(1.0, **clip))
        model.fit(x, epochs=2, verbose=0)
    values = [[w.numpy()[place] for w, place in _slots(model)] for model in models]
    for one, two in zip(*values, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_regularizers_and_constraints_are_those_of_each_step():
    def flow(stacked):
        def coupling(_):
            dense = keras.layers.Dense(
                3, kernel_regularizer="l2", kernel_constraint="max_norm"
            )
            return [fb.AffineCoupling(dense)]

        steps = repeated(coupling, 2, stacked=stacked)
        return tfflows.Flow(fb.Chain(steps), (3,))

    stacked, other = flow(True), flow(False)
    randomize(stacked, size=3.0)
    copy_weights(stacked, other)
    losses = [float(sum(model.losses)) for model in (stacked, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] > 0.1
    for model in (stacked, other):
        for weight in model.trainable_weights:
            if weight.constraint is not None:
                weight.assign(weight.constraint(weight.value))
    expected = stacked.get_weights()
    copy_weights(other, stacked)
    for one, two in zip(expected, stacked.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Drawn(fb.FlowStep):
    """A step that draws its weight by NumPy."""

    def build(self, data_shape):
        start = keras.initializers.Constant(np.random.normal(size=data_shape[-1]))
        self.shift = self.add_weight(shape=data_shape[-1:], initializer=start)


def test_copies_of_a_step_that_draws_by_itself_differ():
    step = fb.Repeated(Drawn(), 3)
    step.build((None, 2))
    assert len(np.unique(step.stacks[0])) == 6


def test_flows_that_are_trained_apart_draw_the_noise_of_training():
    network = tfflows.networks.LipschitzMLP((4,))
    flow = tfflows.Flow(fb.Residual(network, "series", certain_terms=1), (3,))
    randomize(flow, 2.0)
    stack = tfflows.models.DensityStack([flow])
    batch = tfflows.fitting.batch.Batch.of(np.ones((20, 3), "float32"))
    losses = stack.per_example(batch, training=True)["loss"]
    assert len(np.unique(np.round(losses, 4))) > 2
