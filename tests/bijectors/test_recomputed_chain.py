"""Recomputing gives the gradients of storing, for every step and in every mode."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

import tfflows
from tests.bijectors.step_table import ONE_PER_CLASS, STEPS
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def gradients(step, value, direction, context=None):
    """Of a loss of value and log-det: by weights, input and real context."""
    weights = step.trainable_variables
    sources = [value, *([] if context is None else [context])]
    real = [source for source in sources if source.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(real)
        output, log_det = getattr(step, f"{direction}_and_log_det")(value, context)
        loss = tf.reduce_sum(tf.sin(output)) + tf.reduce_sum(tf.cos(log_det))
    return tape.gradient(loss, [*(weight.value for weight in weights), *real])


def relative_error(got, wanted):
    got, wanted = (np.concatenate([np.ravel(g) for g in one]) for one in (got, wanted))
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def recomputed(steps, **kwargs):
    chain = fb.RecomputedChain(steps, dtype=steps[0].dtype_policy, **kwargs)
    chain.build((None, *steps[0].data_event_shape))
    return chain


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 1e-4), pytest.param("float64", 1e-8, marks=pytest.mark.large)],
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ONE_PER_CLASS else pytest.mark.large)
        for name in STEPS
    ],
)
def test_gradients_are_those_of_storing(name, dtype, tolerance):
    case = STEPS[name]
    step, value = case.shared(dtype), tf.constant(case.values(4), dtype)
    direction = "inverse" if step.has_inverse else "forward"
    wanted = gradients(step, value, direction)
    got = gradients(recomputed([step]), value, direction)
    assert relative_error(got, wanted) < tolerance


def mixed_chain(dtype="float64"):
    """Steps that are undone, kept by input, or kept altogether, in each other."""
    coupling = fb.AffineCoupling(
        networks.MLP((8,), activation="tanh", context_dim=2, dtype=dtype), dtype=dtype
    )
    additive = fb.AdditiveCoupling(
        networks.MLP((8,), activation="tanh", dtype=dtype), dtype=dtype
    )
    steps = [
        fb.Chain([fb.ActNorm(dtype=dtype), fb.Invert(coupling)]),
        fb.Planar(dtype=dtype),
        tfb.Shift(tf.Variable(np.array([0.5] * 4), dtype=dtype)),
        fb.Invert(fb.Repeated(fb.Chain([additive, fb.Permute(dtype=dtype)]), 3)),
        fb.Scale(dtype=dtype),
    ]
    chain = fb.Chain(steps)
    chain.build((None, 4))
    randomize(chain)
    return chain


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("backprop", ["remat", "reversible"])
def test_a_chain_of_all_kinds_in_both_directions(backprop, in_graph):
    chain = mixed_chain()
    other = recomputed(chain.steps, backprop=backprop)
    rng = np.random.default_rng(0)
    value, context = tf.constant(rng.normal(size=(5, 4))), rng.normal(size=(5, 2))
    context = tf.constant(context)

    for direction in ("forward", "inverse"):

        def run(step, value, context, direction=direction):
            return gradients(step, value, direction, context)

        function = tf.function(run, autograph=False) if in_graph else run
        wanted = run(chain, value, context)
        for got, one in zip(function(other, value, context), wanted, strict=True):
            np.testing.assert_allclose(got, one, rtol=1e-9, atol=1e-12)


def repeated_chain(kept, dtype="float64"):
    """A chain that is repeated, of parts with weights, by what is kept of it."""
    network = networks.MLP((4,), activation="tanh", context_dim=2, dtype=dtype)
    scale = fb.Scale(dtype=dtype)
    steps = [fb.Chain([scale, fb.AffineCoupling(network, dtype=dtype)])]
    steps.append(fb.Planar(dtype=dtype) if kept == "input" else fb.Permute(dtype=dtype))
    if kept is None:
        scale.recomputed_from = None
    if kept == "stock":  # all values are kept of it
        steps.append(fb.TFPStep(tfb.Sinh(), dtype=dtype))
    return fb.Repeated(fb.Chain(steps), 2)


def copies_of(repeated):
    """The repeats as steps of their own, with the repeats' weights."""
    step, copies = repeated.step, []
    for number in range(repeated.num_repeats):
        one = type(step).from_config(step.get_config())
        one.build((None, *step.data_event_shape))
        for variable, stack in zip(one.variables, repeated.stacks, strict=True):
            variable.assign(stack[number])
        copies.append(one)
    return fb.Chain(copies)


@pytest.mark.parametrize(
    ("backprop", "kept", "in_graph"),
    [
        ("remat", "output", True),
        ("reversible", "output", True),
        ("reversible", "input", False),
        ("reversible", None, False),
        ("reversible", "stock", False),
        ("remat", "stock", True),
    ],
)
def test_parts_of_a_repeated_chain_use_the_weights_of_the_pass(
    backprop, kept, in_graph
):
    repeated = repeated_chain(kept)
    repeated.build((None, 4))
    chain = recomputed([repeated], backprop=backprop)
    randomize(chain)
    copies = copies_of(repeated)
    rng = np.random.default_rng(0)
    value, context = (tf.constant(rng.normal(size=(5, n))) for n in (4, 2))

    def run(step, direction):
        outputs = getattr(step, f"{direction}_and_log_det")(value, context)
        return outputs, gradients(step, value, direction, context)

    for direction in ("forward", "inverse")[: 1 + repeated.has_inverse]:
        function = tf.function(run, autograph=False) if in_graph else run
        outputs, by = function(chain, direction)
        wanted, by_copies = run(copies, direction)
        rest = by_copies[-2:]  # by the value and the context
        count = len(repeated.trainable_variables)
        by_weights = zip(by_copies[:count], by_copies[count:-2], strict=True)
        wanted = [*wanted, *map(tf.stack, by_weights), *rest]
        for one, other in zip([*outputs, *by], wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_what_is_kept_of_each_step():
    kept = {"Planar": "input", "TFPStep": None}
    chain = recomputed(mixed_chain().steps)
    for direction in ("forward", "inverse"):
        passes = chain.passes(direction)
        kinds = [type(one.step.step).__name__ for one in passes]
        assert len(kinds) == 8
        assert [chain._source(one) for one in passes] == [
            kept.get(kind, "output") for kind in kinds
        ]


@pytest.mark.parametrize("layer", ["dropout", "batch", "regularizer"])
def test_a_pass_with_effects_is_refused_by_name(layer):
    layer = {
        "dropout": lambda: keras.layers.Dropout(0.5),
        "batch": keras.layers.BatchNormalization,
        "regularizer": lambda: keras.layers.ActivityRegularization(l2=0.1),
    }[layer]()
    network = keras.Sequential([keras.layers.Dense(4), layer])
    coupling = fb.AffineCoupling(network, name="unruly")
    flow = tfflows.Flow(coupling, (4,), backprop="reversible")
    x = np.ones((3, 4), "float32")
    with pytest.raises(ValueError, match="unruly: expected a step that neither"):
        flow(x, training=True)
    coupling.recomputed_from = None
    assert np.isfinite(flow(x, training=True)).all()


def test_config_round_trip_and_bad_words():
    chain = fb.RecomputedChain([fb.Scale()], backprop="remat")
    assert fb.RecomputedChain.from_config(chain.get_config()).backprop == "remat"
    with pytest.raises(ValueError, match=r"backprop of .*got 'stored'; a Chain is"):
        fb.RecomputedChain([fb.Scale()], backprop="stored")
