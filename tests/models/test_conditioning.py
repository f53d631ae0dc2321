"""Flows with a context: labels, vectors and images."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def coupling(context_dim, dtype=None):
    network = networks.MLP((8,), context_dim=context_dim, dtype=dtype)
    return fb.AffineCoupling(network, dtype=dtype)


def of_labels():
    step = fb.ClassAffine(3)
    return tfflows.Flow(step, (2,), context_shape=(), name="of_labels")


def of_vectors(dtype=None):
    chain = fb.Chain([fb.ActNorm(dtype=dtype), coupling(3, dtype)])
    return tfflows.Flow(chain, (2,), context_shape=3, name="of_vectors")


def of_images():
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return tfflows.Flow(
        coupling(5),
        (2,),
        context_shape=(4, 4, 1),
        context_dtype="uint8",
        context_network=keras.Sequential([*layers, keras.layers.Dense(5)]),
        name="of_images",
    )


def of_embedded_labels():
    embedding = keras.layers.Embedding(3, 4, embeddings_initializer="normal")
    return tfflows.Flow(
        coupling(4),
        (2,),
        context_shape=(),
        context_network=embedding,
        name="of_embedded_labels",
    )


FLOWS = {
    "labels": (of_labels, lambda rng, n: rng.integers(0, 3, n)),
    "vectors": (of_vectors, lambda rng, n: rng.normal(size=(n, 3))),
    "images": (of_images, lambda rng, n: rng.integers(0, 256, (n, 4, 4, 1))),
    "embedded_labels": (of_embedded_labels, lambda rng, n: rng.integers(0, 3, n)),
}


def made(name, number=6):
    make, draw = FLOWS[name]
    rng = np.random.default_rng(0)
    x, context = rng.normal(size=(number, 2)).astype("float32"), draw(rng, number)
    flow = make()
    flow.initialize({"x": x, "context": context})
    randomize(flow)
    return flow, x, context


@pytest.mark.parametrize("name", FLOWS)
def test_every_method_depends_on_the_context_row_by_row(name):
    flow, x, context = made(name)
    log_prob = flow.log_prob(x, context)
    np.testing.assert_allclose(
        flow.log_prob(x[2:4], context[2:4]), log_prob[2:4], rtol=1e-5
    )
    others = flow.log_prob(x, context[::-1])
    differs = np.any(np.reshape(context != context[::-1], (6, -1)), axis=1)
    assert np.any(differs)
    assert np.all(np.abs(others - log_prob)[differs] > 1e-5)
    np.testing.assert_allclose(flow({"x": x, "context": context}), log_prob, rtol=1e-5)
    z, log_det = flow.encode_and_log_det(x, context)
    np.testing.assert_allclose(flow.decode(z, context), x, atol=1e-5)
    base = flow.base.distribution.log_prob(z)
    np.testing.assert_allclose(base + log_det, log_prob, rtol=1e-5)
    # Other leading axes, none included.
    pairs = flow.log_prob(
        x.reshape(3, 2, 2), np.reshape(context, (3, 2) + context.shape[1:])
    )
    np.testing.assert_allclose(tf.reshape(pairs, [-1]), log_prob, rtol=1e-5)
    one = flow.log_prob(x[0], context[0])
    assert one.shape == ()
    np.testing.assert_allclose(one, log_prob[0], rtol=1e-5)


@pytest.mark.parametrize("name", FLOWS)
def test_samples_with_one_context_or_one_for_each(name):
    flow, _, context = made(name)
    shared = flow.sample(4, seed=1, context=context[0])
    rows = flow.sample(4, seed=1, context=context[[0] * 4])
    np.testing.assert_allclose(shared, rows, rtol=1e-5)
    x, log_prob = flow.sample_and_log_prob(6, seed=1, context=context)
    np.testing.assert_allclose(log_prob, flow.log_prob(x, context), rtol=1e-4)
    seeds = tf.constant([[0, 1], [2, 3]])
    x, _ = flow.sample_rows_and_log_prob(seeds, 1.0, context[:2])
    one, _ = flow.sample_rows_and_log_prob(seeds[1:], 1.0, context[1:2])
    np.testing.assert_allclose(x[1:], one, rtol=1e-5)


@pytest.mark.parametrize("name", FLOWS)
def test_the_distribution_takes_the_context_too(name):
    flow, x, context = made(name)
    distribution = flow.distribution
    wanted = flow.log_prob(x, context)
    np.testing.assert_allclose(
        distribution.log_prob(x, context=context), wanted, rtol=1e-5
    )
    assert distribution.sample([2, 3], seed=1, context=context[0]).shape == (2, 3, 2)
    assert distribution.sample(seed=1, context=context[0]).shape == (2,)
    drawn, log_prob = distribution.experimental_sample_and_log_prob(
        6, seed=1, context=context
    )
    np.testing.assert_allclose(flow.log_prob(drawn, context), log_prob, rtol=1e-4)


@pytest.mark.parametrize("name", FLOWS)
def test_training_saving_and_loading(name, tmp_path):
    flow, x, context = made(name)
    data = {"x": x, "context": context}
    flow.compile(keras.optimizers.Adam(1e-2))
    before = flow.get_weights()
    history = flow.fit(data, batch_size=3, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
    changed = [np.any(a != b) for a, b in zip(before, flow.get_weights(), strict=True)]
    trained = {id(weight) for weight in flow.trainable_weights}
    assert all(
        change
        for change, w in zip(changed, flow.weights, strict=True)
        if id(w) in trained
    )
    wanted = flow.log_prob(x, context)
    loss = flow.evaluate(data, verbose=0)
    np.testing.assert_allclose(loss, -np.mean(wanted), rtol=1e-5)
    np.testing.assert_allclose(flow.predict(data, verbose=0), wanted, rtol=1e-5)

    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert loaded.context_shape == flow.context_shape
    np.testing.assert_allclose(loaded.log_prob(x, context), wanted, rtol=1e-6)
    assert loaded.conditioning.context_dtype == flow.conditioning.context_dtype

    fresh = keras.models.clone_model(flow)
    path = tf.train.Checkpoint(model=flow).write(str(tmp_path / "checkpoint"))
    status = tf.train.Checkpoint(model=fresh).read(path)
    status.assert_existing_objects_matched().expect_partial()
    np.testing.assert_allclose(fresh.log_prob(x, context), wanted, rtol=1e-6)


def test_the_network_of_the_context_is_a_part_of_the_flow():
    flow, _, _ = made("images")
    kernel, bias = flow.conditioning.network.trainable_weights
    assert kernel.shape == (16, 5)
    weights = {id(weight) for weight in flow.trainable_weights}
    assert {id(kernel), id(bias)} <= weights


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_other_dtypes(dtype):
    flow = of_vectors(dtype)
    x, context = np.ones((4, 2)), np.ones((4, 3), "float32")
    assert flow.log_prob(x, context).dtype == flow.base.distribution.dtype
    assert flow.conditioning.context_dtype == flow.base.distribution.dtype


METHODS = {
    "log_prob": lambda flow, x, c: flow.log_prob(x, c),
    "bits_per_dim": lambda flow, x, c: flow.bits_per_dim(x, c),
    "encode": lambda flow, x, c: flow.encode(x, c),
    "decode": lambda flow, x, c: flow.decode(x, c),
    "sample": lambda flow, x, c: flow.sample(len(x), context=c),
    "rows": lambda flow, x, c: flow.sample_rows_and_log_prob(
        np.zeros((len(x), 2), "int32"), 1.0, c
    ),
    "initialize": lambda flow, x, c: flow.initialize(x, c),
    "call": lambda flow, x, c: flow(x if c is None else {"x": x, "context": c}),
    "distribution": lambda flow, x, c: flow.distribution.log_prob(x, context=c),
    "draw": lambda flow, x, c: flow.distribution.sample(len(x), context=c),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_context_that_does_not_fit_is_named(method):
    vectors, labels = of_vectors(), of_labels()
    without = tfflows.Flow(fb.Scale(), (2,))
    x = np.ones((4, 2), "float32")
    for flow, context, message in (
        (vectors, None, r"expected a context of shape \(batch, 3\), got none"),
        (labels, None, r"expected a context of shape \(batch\), got none"),
        (without, np.ones((4, 3)), r"expected no context, got one of shape \(4, 3\)"),
        (
            vectors,
            np.ones((4, 2)),
            r"\(3,\) for all rows or \(4, 3\) for each, got \(4, 2\)",
        ),
        (vectors, np.ones((1, 3)), r"or \(4, 3\) for each, got \(1, 3\)"),
        (vectors, np.full((4, 3), np.nan), "expected a finite context"),
        (vectors, np.full((4, 3), "a"), "expected real numbers, got dtype string"),
        (labels, np.ones(4), r"a context of integers \(int32\), got float64"),
        (labels, np.full(4, 2**32 + 1), "a context within int32"),
    ):
        with pytest.raises(ValueError, match=message):
            METHODS[method](flow, x, context)


# In `sample` a further axis is that of the draws: tests/models/test_many_contexts.py.
@pytest.mark.parametrize("method", [name for name in METHODS if name != "sample"])
def test_a_context_of_too_many_axes_is_named(method):
    x = np.ones((4, 2), "float32")
    for flow, context, message in (
        (of_vectors(), np.ones((4, 1, 3)), r"or \(4, 3\) for each, got \(4, 1, 3\)"),
        (
            of_labels(),
            np.ones((4, 1), int),
            r"\(\) for all rows or \(4,\) for each, got \(4, 1\)",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            METHODS[method](flow, x, context)


def test_fit_names_a_missing_context_and_one_too_many():
    x = np.ones((4, 2), "float32")
    flow, without = of_labels(), tfflows.Flow(fb.Scale(), (2,))
    for model, data, message in (
        (flow, x, r"got none; give context=, or {'x': x, 'context': context}"),
        (without, {"x": x, "context": np.ones(4)}, "made without context_shape"),
    ):
        model.compile("adam")
        with pytest.raises(ValueError, match=message):
            model.fit(data, verbose=0)


def test_one_row_for_many_is_refused_in_a_graph_too():
    flow, x, context = made("vectors")
    specs = [tf.TensorSpec((None, n), tf.float32) for n in (2, 3)]
    log_prob = tf.function(flow.log_prob, input_signature=specs)
    context = context.astype("float32")
    np.testing.assert_allclose(
        log_prob(x, context), flow.log_prob(x, context), rtol=1e-5
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="one context for each"):
        log_prob(x, context[:1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"context of shape \(3,\) for .*, got None; give context_shape=\(3,\)"),
        ({"context_shape": 2}, r"context of shape \(3,\) for .*, got \(2,\)"),
        (
            {"context_shape": 2, "context_network": keras.layers.Dense(4)},
            r"of shape \(3,\) for .*, got from context_network \(4,\)",
        ),
        ({"context_dtype": "int32"}, "expected context_shape with context_dtype"),
        ({"context_network": keras.layers.Dense(3)}, "expected context_shape with"),
        ({"context_shape": 2, "context_network": np.sin}, "that is a Keras layer"),
        ({"context_shape": (0,)}, "context_shape of sizes >= 1, got"),
        ({"context_shape": 3, "context_dtype": "string"}, "numbers, got string"),
    ],
)
def test_parts_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfflows.Flow(coupling(3), (2,), **arguments)
