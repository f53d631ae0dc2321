"""Contexts: one that nothing takes, one rule in all methods, images, sets."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import models, networks

RNG = np.random.default_rng(0)


@keras.saving.register_keras_serializable("tests")
class Conditioner(keras.layers.Layer):
    """A user's: takes a context as a conditioner may, and uses it or not."""

    def __init__(self, use, **kwargs):
        super().__init__(**kwargs)
        self.use, self.dense = use, keras.layers.Dense(4)

    def build(self, shape):
        self.dense.build((None, shape[-1]))

    def call(self, x, context=None):
        if context is None:
            return self.dense(x)
        if self.use == "shape":
            return self.dense(x) * tf.cast(tf.shape(context)[-1], x.dtype)
        if self.use == "function":
            return tf.function(lambda x, c: self.dense(x))(x, context)
        used = 0.0 if self.use == "no" else tf.reduce_sum(context, -1, keepdims=True)
        return self.dense(x) + used

    def get_config(self):
        return {**super().get_config(), "use": self.use}


class OwnStep(fb.FlowStep):
    """A user's step, whose passes have the argument, as all do."""

    def __init__(self, uses, **kwargs):
        super().__init__(**kwargs)
        self.uses = uses

    def _shift(self, context):
        return context[:, :1] if self.uses else 0.0

    def _forward_and_log_det(self, z, context=None):
        return z + self._shift(context), tf.zeros(tf.shape(z)[:1])

    def _inverse_and_log_det(self, x, context=None):
        return x - self._shift(context), tf.zeros(tf.shape(x)[:1])


class Keyword(keras.layers.Layer):
    """A conditioner that would take anything by keyword, and gets nothing."""

    def call(self, x, **kwargs):
        return x


class OwnBase(tfflows.distributions.Base):
    def log_prob(self, z, context=None):
        return super().log_prob(z - context[:, :1])


def coupling(conditioner=None):
    return fb.AffineCoupling(conditioner or networks.MLP((4,)), mask="half")


def of_normal():
    return tfflows.distributions.Base(tfflows.distributions.StandardNormal(4))


TAKERS = {
    "mlp": (lambda: coupling(networks.MLP((4,), context_dim=3)), None),
    "own conditioner": (lambda: coupling(Conditioner("yes")), None),
    "own step": (lambda: OwnStep(True), None),
    "inverted": (lambda: fb.Invert(fb.Chain([coupling(Conditioner("yes"))])), None),
    "repeated": (lambda: fb.Repeated(coupling(Conditioner("yes")), 2), None),
    "one of two": (lambda: fb.Chain([coupling(), OwnStep(True)]), None),
    "planar": (lambda: fb.Planar(context_dim=3), None),
    "base": (
        coupling,
        lambda: tfflows.distributions.ConditionalNormal(4, context_dim=3),
    ),
    "own base": (
        coupling,
        lambda: OwnBase(tfflows.distributions.StandardNormal(4)),
    ),
}
IGNORERS = {
    "mlp": coupling,
    "own conditioner": lambda: coupling(Conditioner("no")),
    "its shape alone": lambda: coupling(Conditioner("shape")),
    "into a function": lambda: coupling(Conditioner("function")),
    "by keyword": lambda: coupling(Keyword()),
    "own step": lambda: OwnStep(False),
    "inverted": lambda: fb.Invert(coupling()),
    "repeated": lambda: fb.Repeated(coupling(), 2),
    "stock": lambda: fb.TFPStep(tfb.Scale(2.0)),
    "planar": fb.Planar,
}


@pytest.mark.parametrize("backprop", ["stored", "remat"])
@pytest.mark.parametrize("name", TAKERS)
def test_a_context_that_a_part_takes_is_accepted(name, backprop):
    step, base = TAKERS[name]
    base = None if base is None else base()
    tfflows.Flow(step(), (4,), base, context_shape=(3,), backprop=backprop)


@pytest.mark.parametrize("backprop", ["stored", "remat"])
@pytest.mark.parametrize("name", IGNORERS)
def test_a_context_that_nothing_takes_is_refused(name, backprop):
    with pytest.raises(ValueError, match="expected a step or a base that takes the"):
        tfflows.Flow(
            IGNORERS[name](), (4,), of_normal(), context_shape=(3,), backprop=backprop
        )


def test_levels_take_it_too():
    def levels(network):
        step = fb.AffineCoupling(network, mask="channel")
        return fb.Multiscale([fb.Chain([step], event_ndims=3), fb.Squeeze()])

    tfflows.Flow(levels(networks.ConvNet(2, 3)), (2, 2, 4), context_shape=3)
    with pytest.raises(ValueError, match="it would have no effect"):
        tfflows.Flow(levels(networks.ConvNet(2)), (2, 2, 4), context_shape=3)


def test_labels_that_are_none_of_a_class_affine_are_named_when_built():
    floats = {"context_shape": (), "context_dtype": "float32"}
    for arguments in ({"context_shape": 3}, {}, floats):
        with pytest.raises(ValueError, match="expected integer labels as context"):
            tfflows.Flow(fb.ClassAffine(3), (2,), **arguments)


@pytest.fixture(scope="module")
def flow():
    flow = tfflows.Flow(
        coupling(networks.MLP((4,), context_dim=3)), (2,), context_shape=3
    )
    randomize(flow)
    return flow


X = RNG.normal(size=(5, 4, 2)).astype("float32")
CONTEXT = RNG.normal(size=(5, 4, 3)).astype("float32")
SEEDS = np.arange(8, dtype="int32").reshape(4, 2)
METHODS = {
    "log_prob": lambda flow, x, c: flow.log_prob(x, c),
    "bits_per_dim": lambda flow, x, c: flow.bits_per_dim(x, c),
    "encode": lambda flow, x, c: flow.encode(x, c),
    "decode": lambda flow, x, c: flow.decode(x, c),
    "distribution": lambda flow, x, c: flow.distribution.log_prob(x, context=c),
    "draw": lambda flow, x, c: flow.distribution.sample(
        tf.shape(x)[:-1], seed=SEEDS[0], context=c
    ),
}
ROWS = METHODS | {
    "call": lambda flow, x, c: flow({"x": x, "context": c}),
    "sample": lambda flow, x, c: flow.sample(len(x), seed=1, context=c),
    "rows": lambda flow, x, c: flow.sample_rows_and_log_prob(SEEDS, 1.0, c)[0],
}


@pytest.mark.parametrize("method", ROWS)
def test_one_context_for_all_rows_is_one_for_each(flow, method):
    run, x, context = ROWS[method], X[0], CONTEXT[0]
    wanted = run(flow, x, context[[1] * 4])
    np.testing.assert_allclose(run(flow, x, context[1]), wanted, atol=1e-6)
    assert np.any(np.abs(run(flow, x, context) - wanted) > 1e-4)
    # Draws for many contexts are asked for by an axis of 1.
    many = [] if method == "sample" else [context[:, None]]
    for wrong in (context[:1], context[:3], context[0, :2], *many):
        with pytest.raises(ValueError, match=r"expected a context of shape \(3,\)"):
            run(flow, x, wrong)


@pytest.mark.parametrize("method", METHODS)
def test_observations_and_draws(flow, method):
    run = METHODS[method]
    each = run(flow, X, CONTEXT)
    for one, axis in ((CONTEXT[:, :1], 1), (CONTEXT[:1], 0)):
        wanted = run(flow, X, np.repeat(one, X.shape[axis], axis))
        np.testing.assert_allclose(run(flow, X, one), wanted, atol=1e-6)
        assert np.any(np.abs(each - wanted) > 1e-4)
    np.testing.assert_allclose(
        run(flow, X, CONTEXT[0, 0]), run(flow, X, CONTEXT[:1, :1]), atol=1e-6
    )
    for wrong in (CONTEXT[:, 0], CONTEXT[0], CONTEXT[:, :2], CONTEXT[None]):
        with pytest.raises(ValueError, match=r"expected a context of shape \(3,\)"):
            run(flow, X, wrong)


def test_graphs_of_unknown_sizes_and_ranks_follow_the_rule(flow):
    shapes = {"sizes": (None, None, 3), "ranks": None}
    for shape in shapes.values():
        specs = [tf.TensorSpec((None, None, 2)), tf.TensorSpec(shape)]
        log_prob = tf.function(flow.log_prob, input_signature=specs)
        contexts = [CONTEXT, CONTEXT[:, :1], CONTEXT[:1]]
        for context in contexts + [CONTEXT[0, 0]] * (shape is None):
            wanted = flow.log_prob(X, context)
            np.testing.assert_allclose(log_prob(X, context), wanted, atol=1e-5)
        for wrong in [CONTEXT[:, :2], CONTEXT[:3]] + [CONTEXT[0]] * (shape is None):
            with pytest.raises(tf.errors.InvalidArgumentError, match="one context for"):
                log_prob(X, wrong)


def test_initialize_takes_one_context_only():
    chain = fb.Chain([coupling(networks.MLP((4,), context_dim=3)), fb.ActNorm()])
    flow = tfflows.Flow(chain, (2,), context_shape=3)
    batch = {"x": X[0], "context": CONTEXT[0]}
    with pytest.raises(ValueError, match="expected one context"):
        flow.initialize(batch, CONTEXT[0])
    flow.initialize(X[0], CONTEXT[0, 0])
    assert flow.is_initialized


def test_a_flow_without_data_has_no_context(flow):
    with pytest.raises(ValueError, match="expected a flow without a context"):
        tfflows.ReverseKL(flow, lambda x: x[:, 0])


def test_a_dict_of_contexts_is_refused_with_a_way_out(flow):
    with pytest.raises(ValueError, match=r"one tensor, got a dict .*concatenate them"):
        flow.log_prob(X[0], {"a": CONTEXT[0], "b": CONTEXT[0]})
    with pytest.raises(ValueError, match=r"got a dict with the keys .*concatenate the"):
        tfflows.Flow(coupling(), (2,), context_shape={"a": 3})


def test_labels_out_of_range_are_named_in_graphs_too():
    embedding = keras.Sequential([keras.layers.Embedding(3, 3)])
    flow = tfflows.Flow(
        coupling(networks.MLP((4,), context_dim=3)),
        (2,),
        context_shape=(),
        context_network=embedding,
    )
    classes = tfflows.Flow(fb.ClassAffine(3), (2,), context_shape=())
    for model in (flow, classes):
        graph = tf.function(model.log_prob)
        for labels in ([0, 3, 1, 2], [0, -1, 1, 2]):
            with pytest.raises(ValueError, match="expected labels from 0 to 2"):
                model.log_prob(X[0], labels)
            with pytest.raises(tf.errors.InvalidArgumentError, match="labels from 0 t"):
                graph(X[0], tf.constant(labels))
    compiled = tf.function(classes.log_prob, jit_compile=True)  # drops assertions
    unknown = compiled(X[0], tf.constant([0, 3, 1, 2]))
    np.testing.assert_array_equal(np.isnan(unknown), [False, True, False, False])


def set_network():
    pool = keras.layers.GlobalAveragePooling1D()
    return keras.Sequential([keras.layers.Dense(4, activation="tanh"), pool])


def glow(**context):
    size = {"num_steps": 1, "num_levels": 2, "width": 4}
    return models.glow((4, 4, 1), **size, dtype="float64", **context)


def realnvp(**context):
    size = {"num_blocks": 1, "num_levels": 2, "width": 2}
    return models.realnvp_multiscale((4, 4, 1), **size, dtype="float64", **context)


def splines(**context):
    size = {"num_steps": 1, "num_levels": 2, "width": 4, "num_blocks": 1}
    return models.nsf_multiscale((4, 4, 1), **size, dtype="float64", **context)


CONTEXTS = {
    "image": ({"context_shape": (4, 4, 1)}, (4, 4, 1)),
    "small image": ({"context_shape": (2, 2, 2)}, (2, 2, 2)),
    "vector": ({"context_shape": 3}, (3,)),
    "label": (
        {"context_shape": (), "context_network": keras.layers.Embedding(3, 2)},
        (),
    ),
    "set": ({"context_shape": (None, 2), "context_network": set_network()}, (5, 2)),
}


def contexts_of(shape, number):
    if shape == ():
        return np.arange(number) % 3
    return RNG.normal(size=(number, *shape))


def one_coupling(**context):
    network = networks.ConvNet(2, context["context_shape"][-1], dtype="float64")
    step = fb.AffineCoupling(network, mask="channel", dtype="float64")
    return tfflows.Flow(
        fb.Chain([fb.Squeeze(dtype="float64"), step]), (4, 4, 1), **context
    )


LARGE = [(build, kind) for build in (glow, realnvp, splines) for kind in CONTEXTS]


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (one_coupling, "image"),
        *(pytest.param(*pair, marks=pytest.mark.large) for pair in LARGE),
    ],
)
def test_image_flows_take_images_vectors_labels_and_sets(build, kind):
    arguments, shape = CONTEXTS[kind]
    flow = build(**arguments)
    x, context = RNG.normal(size=(3, 4, 4, 1)), contexts_of(shape, 3)
    flow.initialize(x, context)
    randomize(flow)

    def passes(x, context, directions):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, context] if context.dtype.is_floating else x)
            z, log_det = flow.encode_and_log_det(x, context)
            log_prob = tf.reduce_sum(flow.base.log_prob(z) + log_det)
            scalar = tf.reduce_sum(z * directions)
        slopes = tape.gradient(log_prob, context), tape.gradient(scalar, x)
        return flow.decode(z, context), log_det, *slopes

    # Row i of the Jacobian: the slope of the latent's element i.
    rows, one = tf.constant(np.repeat(x[:1], 16, axis=0)), tf.constant(context[0])
    decoded, log_det, by_context, jacobian = passes(rows, one, np.eye(16))
    np.testing.assert_allclose(decoded, rows, atol=1e-8)
    wanted = np.linalg.slogdet(np.reshape(jacobian, (16, 16)))[1]
    np.testing.assert_allclose(log_det, np.full(16, wanted), atol=1e-8)
    if by_context is None:
        differs = flow.log_prob(x, context) - flow.log_prob(x, context[::-1])
        assert np.all(np.abs(differs)[::2] > 1e-6)
    else:  # every element of a context has an effect
        assert np.all(by_context.numpy() != 0.0)


def test_images_of_sides_that_do_not_fit_are_named():
    for build in (glow, realnvp, splines):
        with pytest.raises(ValueError, match=r"sides are multiples or divisors of \("):
            build(context_shape=(3, 4, 1))
        with pytest.raises(ValueError, match=r"Embedding\(num_classes, 16\)"):
            build(context_shape=())
        with pytest.raises(ValueError, match="for sets one that pools"):
            build(context_shape=(None, 2))
    with pytest.raises(ValueError, match="no other context with num_classes"):
        glow(num_classes=3, context_shape=2)


@pytest.mark.parametrize("kind", ["vector", "label", "set"])
@pytest.mark.parametrize(
    "build", [models.nice, models.realnvp, models.maf, models.nsf, models.glow_dense]
)
def test_dense_builders_take_contexts_alike(build, kind):
    arguments, shape = CONTEXTS[kind]
    layers = "num_couplings" if build in (models.nice, models.realnvp) else "num_steps"
    flow = build((2,), hidden_units=(4,), **{layers: 1}, **arguments)
    assert flow.context_shape == tf.TensorShape(shape if kind != "set" else (None, 2))
    assert flow.conditioning.embedded_shape[0] in (2, 3, 4)
    with pytest.raises(ValueError, match="contexts that are vectors"):
        build((2,), context_shape=(4, 4, 1))


@pytest.mark.large
@pytest.mark.parametrize("kind", ["image", "set"])
def test_contexts_of_all_kinds_are_trained_saved_and_exported(kind, tmp_path):
    arguments, shape = CONTEXTS[kind]
    if kind == "image":
        event, step = (2, 2, 2), networks.ConvNet(3, context_dim=1)
    else:
        event, step = (2,), networks.MLP((4,), context_dim=4)
    flow = tfflows.Flow(
        fb.AffineCoupling(step, mask="channel"),
        event,
        name="of_" + kind,
        **arguments,
    )
    randomize(flow)
    x, context = RNG.normal(size=(6, *event)), contexts_of(shape, 6)
    x, context = x.astype("float32"), context.astype("float32")
    flow.compile("adam")
    flow.fit({"x": x, "context": context}, batch_size=6, verbose=0)
    wanted = flow.log_prob(x, context)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(loaded.log_prob(x, context), wanted, rtol=1e-5)
    path = tfflows.export.export_saved_model(flow, tmp_path / "export")
    signatures = tf.saved_model.load(str(path)).signatures
    got = signatures["log_prob"](x=tf.constant(x), context=tf.constant(context))
    np.testing.assert_allclose(got["log_prob"], wanted, rtol=1e-4)
    if kind == "set":  # of another length than in training
        longer = contexts_of((9, 2), 6).astype("float32")
        got = signatures["log_prob"](x=tf.constant(x), context=tf.constant(longer))
        np.testing.assert_allclose(
            got["log_prob"], loaded.log_prob(x, longer), rtol=1e-4
        )
        with pytest.raises(ValueError, match="one element or more, got an empty one"):
            flow.log_prob(x, longer[:, :0])
    drawn = signatures["sample_n"](
        num_samples=tf.constant(4),
        seed=tf.constant([0, 1]),
        temperature=tf.constant(1.0),
        context=tf.constant(context[0]),
    )
    np.testing.assert_allclose(
        drawn["log_prob"], flow.log_prob(drawn["x"], context[0]), rtol=1e-3, atol=1e-3
    )
